"""The page. `build` makes it, `launch` serves it; nothing outside this folder imports gradio."""
