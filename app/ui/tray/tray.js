// The end of one script: rows.js, sending.js and camera.js stand before it, in one scope.

watch('value', hear);
show();
