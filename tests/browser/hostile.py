"""Names that try to become markup, a model and a dataset made of them, and what to watch for."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page

from pccore.files import load_model, save_model
from pccore.graph import Circuit, LeafGroup, ProductGroup, SumGroup
from pccore.learn.directory import RunConfig, RunDirectory, Status

ELSEWHERE = "elsewhere.invalid"  # a name that no resolver knows (RFC 2606)
#: One for each way in that a browser, Markdown, LaTeX, Streamlit's own syntax or a sheet offers.
NAMES = (
    "<img src=x onerror=window.__x=1>",
    f"![i](http://{ELSEWHERE}/a.png)",
    "[l](javascript:window.__x=1)",
    "$\\href{javascript:window.__x=1}{x}$",
    "</script><script>window.__x=1</script>",
    "</text><svg onload=window.__x=1>",
    f'<a href="http://{ELSEWHERE}">:material/home: :red[r]</a>',
    f'=HYPERLINK("http://{ELSEWHERE}";"x")',
)
UNITS = (
    '"><img src=x onerror=window.__x=1>',
    f"![j](http://{ELSEWHERE}/b.png)",
    "<iframe srcdoc='<script>parent.__x=1</script>'>",
    "';window.__x=1;//",
    "<style>@import 'http://elsewhere.invalid/c.css'</style>",
)
TITLE = f"<img src=x onerror=window.__x=1> ![t](http://{ELSEWHERE}/t.png) $x^2$ <b>"
STORY = f"{TITLE} [s](javascript:window.__x=1) <script>window.__x=1</script>"
#: What must have become of all that: nothing.
TRACES = """() => {
  const bad = [];
  if (window.__x !== undefined) bad.push("a script ran");
  const marks = 'img[src="x"], [src*="elsewhere.invalid"], [href*="elsewhere.invalid"],'
    + '[href^="javascript:"], [onerror], [onload], iframe[srcdoc], .katex, foreignObject';
  const roots = [document];
  for (const root of roots) {
    for (const one of root.querySelectorAll(marks)) bad.push(one.outerHTML.slice(0, 200));
    for (const one of root.querySelectorAll("script, style"))
      if (/__x|elsewhere/.test(one.textContent)) bad.push(one.outerHTML.slice(0, 200));
    for (const one of root.querySelectorAll("*")) if (one.shadowRoot) roots.push(one.shadowRoot);
  }
  return bad;
}"""


def hostile_circuit() -> Circuit:
    """A mixture over eight Boolean variables that are an image of 2 x 4, all names hostile."""
    base = load_model("figure1_naive_bayes")
    indicator = next(g.family for g in base.groups if isinstance(g, LeafGroup))
    groups: list = []
    for variable, name in enumerate(NAMES):
        for state in (0, 1):
            groups.append(LeafGroup(f"{name} {state}", 1, indicator, (variable,), f"i{state}"))
    sums = {1: [], 2: []}
    for variable in range(len(NAMES)):
        for part in (1, 2):
            sums[part].append(len(groups))
            pair = (2 * variable, 2 * variable + 1)
            groups.append(SumGroup(f"{UNITS[variable % 5]} {part}{variable}", 1, pair, f"w{part}"))
    for part in (1, 2):
        groups.append(ProductGroup(f"{UNITS[part]} p", 1, tuple(sums[part])))
    top = (len(groups) - 2, len(groups) - 1)
    groups.append(SumGroup(UNITS[0], 1, top, "w1"))
    values = base.params[base.groups[0].parameter].new_tensor
    first = next(g for g in base.groups if isinstance(g, LeafGroup))
    shape = base.params[first.parameter].shape
    params = {
        "i0": values([0.0]).reshape(shape),
        "i1": values([1.0]).reshape(shape),
        "w1": values([[0.3, 0.7]]),
        "w2": values([[0.8, 0.2]]),
    }
    image = {"height": 2, "width": 4, "channels": 1, "maximum": 1}
    meta = {"title": TITLE, "story": STORY, "image": image}
    return Circuit(groups, [(len(groups) - 1, 0)], NAMES, params, meta)


def broken_circuit() -> Circuit:
    """The same with a product over one variable twice and a sum that lacks one: both are drawn."""
    whole = hostile_circuit()
    groups = list(whole.groups)
    last = len(groups) - 2
    product = groups[last]
    assert isinstance(product, ProductGroup)
    groups[last] = ProductGroup(product.name, 1, (*product.inputs[1:], product.inputs[2]))
    return Circuit(groups, whole.roots, whole.variables, whole.params, whole.meta)


def write_models(folder: Path) -> dict[str, Path]:
    """The hostile models as files, whose names are hostile as well."""
    found = {
        "whole": folder / "<img src=x onerror=window.__x=1> ![n](http:) $x$.pc.json",
        "broken": folder / "[b](javascript:window.__x=1)<svg onload=window.__x=1>.pc.json",
    }
    save_model(hostile_circuit(), found["whole"])
    save_model(broken_circuit(), found["broken"])
    return found


def write_data(folder: Path) -> None:
    """Tables of eight columns: hostile headers, words and file names."""
    header = ",".join('"' + name.replace('"', '""') + '"' for name in NAMES)
    rows = [",".join(str((i >> v) & 1) for v in range(len(NAMES))) for i in range(0, 256, 5)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hostile table.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "<img src=x onerror=window.__x=1>![d](http:).csv").write_text("\n".join(rows) + "\n")
    broken = '"<img src=x onerror=window.__x=1>",b\n1,2\n3,"<script>window.__x=1</script>"\n4,5\n'
    (folder / "<script>window.__x=1<!--.npz").write_text(broken)


def write_run(folder: Path) -> None:
    """A run directory that somebody else filled."""
    config = RunConfig(TITLE, NAMES[0], title=TITLE, environment={NAMES[1]: NAMES[2]})
    run = RunDirectory.create(folder, config, hostile_circuit())
    run.append({"event": "epoch", "epoch": 1, "train_log_likelihood": -3.0, "seconds": 1.0})
    run.append({"event": "note", "message": TITLE, "epoch": NAMES[0]})
    run.write_status(Status("failed", 1e9, message=STORY))


class Watch:
    """What a page asked for and said: requests to elsewhere, and dialogs."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("request", self._request)
        page.on("dialog", self._dialog)

    def _request(self, request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
            self.found.append(f"request {request.url[:200]}")

    def _dialog(self, dialog) -> None:
        self.found.append(f"dialog {dialog.message[:200]}")
        dialog.dismiss()


def traces(page: Page, watch: Watch) -> list[str]:
    """Everything that the names achieved on a page so far."""
    return [*watch.found, *page.evaluate(TRACES)]
