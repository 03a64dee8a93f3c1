"""The parts of a report in HTML, escaped: the table, curves, slices, confusions, pairs, the protocol.

The same text stands on the page and in the report that is downloaded.
"""
from __future__ import annotations

from collections.abc import Sequence
from html import escape

from app.evaluate import pairs
from app.evaluate.slices import slices
from app.metrics import curves
from app.report import RATES, Evaluation, number, plots, title

MOST_LABELS = 12  # of a confusion
DETAILS = ("AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10", "AR100", "tokens")  # can be sorted by; and in files
MOST_COLUMNS = 10  # of numbers, beside the failure rates
KINDS = {"label": "Label", "size": "Object size", "shape": "Aspect ratio", "count": "Objects in the picture",
         "task": "Task", "relation": "Relation words", "negation": "Negation"}
SOURCES = {"model": "the detector's own", "tokens": "log-probabilities of its tokens", "none": "none",
           "constant": "one constant", "unknown": "unknown", "person": "a person"}


def table(evaluation: Evaluation, metric: str) -> str:
    """The best model first, the chosen number first, each with its interval; failure rates at the end."""
    shown = [metric, *(name for name in evaluation.metrics if name != metric
                       and name.rpartition(".")[2] not in (*RATES, *DETAILS))]
    head = [*shown[:MOST_COLUMNS], *(name for name in RATES if name != metric)]
    rows = []
    for model in evaluation.sorted_by(metric):
        place, told = evaluation.names.index(model), evaluation.result["models"][model]
        problem = f'<p class="measure-problem">{escape(told["problem"])}</p>' if told.get("problem") else ""
        cells = "".join(_cell(evaluation, model, name, place if name == metric else None) for name in head)
        rows.append(f'<tr><th scope="row"><svg viewBox="0 0 14 14" width="12" height="12" aria-hidden="true">'
                    f'{plots.shape(place, 7, 7)}</svg> {escape(model)}{problem}</th>{cells}</tr>')
    names = "".join(f'<th scope="col"{_sorted(name == metric)}>{escape(title(name))}</th>' for name in head)
    samples = max(each["samples"] for each in evaluation.result["models"].values())
    return (f'<div class="measure-wide"><table class="measure-table"><caption>{samples} pictures with a known truth. '
            f'Under each number its 95% interval.</caption><thead><tr><th scope="col">Model</th>{names}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div>{_differences(evaluation, metric)}')


def curve_plots(evaluation: Evaluation) -> str:
    """Precision over recall, scores against shares right, with a calibration where one could be fitted."""
    recall, reliable, fitted, words = [], [], [], []
    for place, (model, answered) in enumerate(evaluation.models.items()):
        found = curves.scored([(one.sample.truth, one.prediction.annotations) for one in answered
                               if one.request.task in ("detect", "ground") and one.sample.truth is not None])
        if points := curves.precision_recall(found):
            recall.append((place, model, [(r, p) for r, p, _ in points]))
            reliable.append((place, model, [(each.score, each.right)
                                            for each in curves.reliability(found.score, found.right)]))
        calibration = curves.calibrated(found)
        if calibration:
            fitted.append((place, model, [(each.score, each.right) for each in calibration.bins]))
            words.append(f"<li><b>{escape(model)}</b>: chance = 1 / (1 + exp(−({calibration.slope:.2f} · logit(score) "
                         f"{calibration.offset:+.2f}))); the expected error goes from {calibration.error:.3f} to "
                         f"{calibration.calibrated_error:.3f} on pictures that the fit has not seen"
                         f"{_helps(calibration)}</li>")
    if not recall:
        return _nothing("No answer has a score, so there is no curve: a curve needs answers in an order.")
    figures = [_titled("Precision and recall", plots.lines(recall, "recall", "precision", title="Curve")),
               _titled("How far a score can be trusted", plots.lines(
                   reliable, "score", "share right", diagonal=True, dots=True, title="Reliability", fitting=True))]
    if fitted:
        figures.append(_titled("After calibration on your corrections", plots.lines(
            fitted, "calibrated chance", "share right", diagonal=True, dots=True, title="Calibrated reliability")))
    else:
        words.append("<li>A calibration needs at least 20 answers with scores, five of them right and five "
                     "wrong.</li>")
    return f'{_figures(figures, evaluation)}<ul class="measure-words">{"".join(words)}</ul>'


def pareto(evaluation: Evaluation, metric: str) -> str:
    """Quality over seconds and over memory; the line joins those that nobody beats both ways."""
    costs = {"seconds a picture (median)": lambda model: evaluation.value(model, "seconds"),
             **_memory(evaluation)}
    figures = []
    for words, cost in costs.items():
        points = [(place, model, cost(model), evaluation.value(model, metric))
                  for place, model in enumerate(evaluation.names)
                  if cost(model) is not None and evaluation.value(model, metric) is not None]
        if points and all(0 <= point[3] <= 1 for point in points):
            figures.append(_titled(f"{title(metric)} and {words.split(',')[0].split(' (')[0]}", plots.scatter(
                points, words, title(metric), title="Pareto")))
    return _figures(figures, evaluation) if figures else _nothing(
        f"{title(metric)} is no share from 0 to 1; sort by another number to see it against time and memory.")


def slice_table(evaluation: Evaluation) -> str:
    """The same number for parts of the data, a column for each model."""
    found = {model: {(each.kind, each.value): each for each in slices(answered)}
             for model, answered in evaluation.models.items()}
    keys = list(dict.fromkeys(key for each in found.values() for key in each))
    if not keys:
        return _nothing("There is nothing to divide: all pictures are of one kind.")
    rows, before = [], None
    for kind, value in keys:
        if kind != before:
            rows.append(f'<tr class="measure-kind"><th colspan="{2 + len(found)}" scope="rowgroup">'
                        f'{escape(KINDS.get(kind, kind))}</th></tr>')
            before = kind
        parts = [each.get((kind, value)) for each in found.values()]
        one = next(each for each in parts if each)
        cells = "".join("<td>–</td>" if each is None else f"<td>{number(each.number)}{_range(each.interval)}</td>"
                        for each in parts)
        shown = value[2:] if kind == "size" else value
        rows.append(f'<tr><th scope="row">{escape(shown)}</th><td>{one.count} {one.of}, '
                    f'{escape(title(one.metric))}</td>{cells}</tr>')
    head = "".join(f'<th scope="col">{escape(model)}</th>' for model in found)
    return (f'<div class="measure-wide"><table class="measure-table"><thead><tr><th scope="col">Part</th>'
            f'<th scope="col">of</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>')


def confusion(evaluation: Evaluation) -> str:
    """What was said for what is there, a matrix for each model."""
    return "".join(_matrix(model, answered) for model, answered in evaluation.models.items()) or ""


def pair_counts(evaluation: Evaluation, a: str, b: str) -> str:
    """Both right, only A, only B, both wrong, as counts."""
    found = pairs.outcomes(evaluation.models[a], evaluation.models[b])
    words = {"both right": "both right", "only A": f"only {a}", "only B": f"only {b}", "both wrong": "both wrong"}
    cells = "".join(f"<li><b>{len(found[outcome])}</b> {escape(words[outcome])}</li>" for outcome in pairs.OUTCOMES)
    return f'<ul class="measure-outcomes">{cells}</ul>'


def protocol(evaluation: Evaluation) -> str:
    """What lets somebody do it again."""
    told = evaluation.result["protocol"]
    rows = [("Data", f"{told['dataset']}, {told['split'] or 'all splits'}, {told['samples']} pictures with a truth"),
            ("Data version", f"{told['snapshot']}, digest {told['snapshot_digest']}"),
            ("Task", ", ".join(told["tasks"])), ("Matching", f"IoU from {told['iou']} on; {told['matching']}"),
            ("Not read", told["unread"]), ("Intervals", told["intervals"]),
            ("Generation", ", ".join(f"{name} {value}" for name, value in told["generation"].items())),
            ("Versions", ", ".join(f"{name} {value}" for name, value in told["versions"].items())
             + f", code that reads answers {told['readers']}")]
    for model, each in told["models"].items():
        sizes = ", ".join("×".join(map(str, size)) if isinstance(size, list) else size for size in each["input_sizes"])
        scores = ", ".join(SOURCES.get(source, source) for source in each["score_source"]) or "none"
        rows.append((model, f"{each['source']}, revision {each['revision'] or 'unknown'}, family {each['family']}; "
                            f"prompt{_first(each)}: {each['prompt'] or 'none'}; the picture resized to "
                            f"{sizes or 'unknown'}; scores: {scores}"))
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in rows)
    return f'<dl class="measure-protocol">{items}</dl>'


def _first(told: dict) -> str:
    return f" (the first of {told['prompts']})" if told.get("prompts", 1) > 1 else ""


def _memory(evaluation: Evaluation) -> dict:
    """GB of weights, or MB where all are that small; nothing where none is known."""
    known = {name: told["weights_gb"] for name, told in evaluation.result["protocol"]["models"].items()
             if told.get("weights_gb")}
    if not known:
        return {}
    words, times = ("weights in memory, GB", 1) if max(known.values()) > 0.1 else ("weights in memory, MB", 1000)
    return {words: lambda model: known[model] * times if model in known else None}


def _cell(evaluation: Evaluation, model: str, metric: str, place: int | None) -> str:
    value, interval = evaluation.value(model, metric), evaluation.interval(model, metric)
    drawn = plots.whisker(value, interval, place) if place is not None and value is not None and 0 <= value <= 1 else ""
    alarm = ' class="measure-bad"' if metric in RATES and value else ""
    return f"<td{alarm}>{drawn}{number(value, metric)}{_range(interval, metric)}</td>"


def _helps(calibration: curves.Calibration) -> str:
    return "" if calibration.calibrated_error < calibration.error else ": no better, so more corrections are needed"


def _range(interval: Sequence[float] | None, metric: str = "") -> str:
    if interval is None:
        return ""
    return f"<small>{number(interval[0], metric)} to {number(interval[1], metric)}</small>"


def _differences(evaluation: Evaluation, metric: str) -> str:
    """One line for each pair of models: how much better, and whether the interval leaves 0 out."""
    lines = []
    for each in evaluation.result["differences"]:
        if each["metric"] != metric or each["interval"] is None:
            continue
        low, high = each["interval"]
        sure = "" if low <= 0 <= high else "measure-sure"
        said = "too close to tell" if low <= 0 <= high else "a real difference"
        lines.append(f'<li class="{sure}"><b>{escape(each["a"])}</b> minus <b>{escape(each["b"])}</b>: '
                     f'{each["difference"]:+.3f}, from {low:+.3f} to {high:+.3f}: {said}</li>')
    return f'<ul class="measure-words">{"".join(lines)}</ul>' if lines else ""


def _matrix(model: str, answered: Sequence) -> str:
    found = curves.confusion([(one.sample.truth, one.prediction.annotations) for one in answered
                              if one.request.task == "detect"])
    if not found:
        return ""
    weight: dict[str, int] = {}
    for (true, said), count in found.items():
        for label in {true, said} - {curves.MISSED, curves.INVENTED}:
            weight[label] = weight.get(label, 0) + count
    labels = sorted(weight, key=lambda label: (-weight[label], label))[:MOST_LABELS]
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in [*labels, "missed"])
    rows = []
    for true in [*labels, curves.INVENTED]:
        counts = [found[true, said] for said in [*labels, curves.MISSED]]
        most = max(counts) or 1
        cells = "".join(f'<td style="--share:{count / most:.2f}" class="{"measure-same" if said == true else ""}">'
                        f'{count or ""}</td>' for said, count in zip([*labels, curves.MISSED], counts))
        name = "nothing there" if true == curves.INVENTED else true
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    left = f" The {MOST_LABELS} most frequent labels." if len(weight) > MOST_LABELS else ""
    return (f'<div class="measure-wide"><table class="measure-table measure-matrix"><caption>{escape(model)}: a row is '
            f'what is there, a column what was said.{left}</caption><thead><tr><th></th>{head}</tr></thead><tbody>'
            f'{"".join(rows)}</tbody></table></div>')


def _sorted(yes: bool) -> str:
    return ' aria-sort="descending"' if yes else ""


def _titled(words: str, figure: str) -> str:
    return f"<figure><figcaption>{escape(words)}</figcaption>{figure}</figure>"


def _figures(figures: Sequence[str], evaluation: Evaluation) -> str:
    return f'<div class="plots">{"".join(figures)}</div>{plots.legend(evaluation.names)}'


def _nothing(words: str) -> str:
    return f'<p class="measure-note">{escape(words)}</p>'
