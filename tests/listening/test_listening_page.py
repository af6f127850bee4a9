"""The page itself, in a headless Chromium where there is one: whole sessions are answered, and nothing foreign runs."""

import json
import re
import shutil
import subprocess

import pytest
from listeners import HOSTILE, make_run

from ttsbench.listening.answers import find_files, read_answers
from ttsbench.listening.export import ExportRequest, export
from ttsbench.listening.key import read_key
from ttsbench.listening.kinds import KINDS
from ttsbench.listening.screening import screened_out

FOUR = ("ground-truth", "copy-synthesis", "l1+oracle", "flow+oracle")
BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")
pytestmark = pytest.mark.skipif(not BROWSER, reason="needs chromium to open the page with")
# Sound ends as soon as it begins; every question is answered, the checks as they ask for; the answers end in the page.
LISTENER = """
const expected = EXPECTED;
const wait = () => new Promise((done) => setTimeout(done, 2));
HTMLMediaElement.prototype.play = async function () { setTimeout(() => this.dispatchEvent(new Event("ended"))); };
(async () => {
  while (document.querySelector("h1").textContent !== "Thank you") {
    document.querySelector("[name=device]")?.click();
    const trial = session.trials[session.step - 2 - session.training.length];
    if (document.querySelector(".answer") && !byId("next").disabled) throw new Error("went on without an answer");
    for (const play of document.querySelectorAll("button.play")) { play.click(); await wait(); }
    for (const slider of document.querySelectorAll("input[type=range]")) {
      slider.value = 60;
      slider.dispatchEvent(new Event("input"));
    }
    const rating = trial && trial.id in expected ? expected[trial.id] : test.labels[1][0];
    document.querySelector(`[name=rating][value="${rating}"]`)?.click();
    await wait();
    if (byId("next").disabled) throw new Error(byId("hint").textContent);
    if (session.step === 4) { session = restored(); go(session.step); }
    byId("next").click();
  }
  return {answers: result(), table: table()};
})().catch((error) => ({error: error.message})).then((found) => {
  document.body.append(Object.assign(document.createElement("pre"), {id: "found", textContent: JSON.stringify(found)}));
});
"""


def without_policy(text):
    """The page as it would be if it let any script run."""
    found, count = re.subn(r"<meta http-equiv=.Content-Security-Policy.[^>]*>", "", text)
    assert count == 1
    return found


def dumped(page, profile, query=""):
    """The page after its scripts ran."""
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"]
    done = subprocess.run(
        [BROWSER, *arguments, f"--user-data-dir={profile}", page.resolve().as_uri() + query],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("page") / "run", 8, text=f"{HOSTILE} {{}}")


@pytest.mark.parametrize(
    "kind", ["mos", pytest.param("mushra", marks=pytest.mark.slow), pytest.param("preference", marks=pytest.mark.slow)]
)
def test_a_whole_session_comes_back_as_answers_that_count(run, tmp_path, kind):
    export(run, ExportRequest(kind, FOUR, show_text=True, title=HOSTILE), tmp_path / "test")
    key = read_key(tmp_path / "test")
    expected = {id_: trial.expected for id_, trial in key.trials.items() if trial.expected is not None}
    page = tmp_path / "test" / "web" / "index.html"
    text = without_policy(page.read_text(encoding="utf-8"))
    script = f"<script>{LISTENER.replace('EXPECTED', json.dumps(expected))}</script></body>"
    page.with_name("driven.html").write_text(text.replace("</body>", script), encoding="utf-8")
    dom = dumped(page.with_name("driven.html"), tmp_path / "profile", "?list=1&listener=driven")
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL).group(1).replace("&amp;", "&"))
    assert "error" not in found, found
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text(json.dumps(found["answers"]))
    (tmp_path / "in" / "a.csv").write_text(found["table"])
    (counted,), (copied,) = read_answers(find_files([tmp_path / "in"]), key, KINDS[kind])
    assert copied.copy
    assert (counted.listener, counted.list, counted.device, counted.missed) == ("driven", 1, "headphones", 0)
    assert counted.checks == len(expected)
    wanted = 60 if kind == "mushra" else list(KINDS[kind].labels)[1]
    assert {rating.rating for rating in counted.ratings} == {wanted}
    left_out = screened_out([counted], KINDS[kind], key)
    assert ("driven" in left_out) == (kind != "preference")  # it rates recording and anchor alike


def test_what_is_not_the_pages_own_does_not_run(run, tmp_path):
    """Hostile text stays text; and were some to get into the page as HTML, the policy of content would stop it."""
    export(run, ExportRequest("mushra", FOUR, show_text=True, title=HOSTILE), tmp_path / "test")
    page = tmp_path / "test" / "web" / "index.html"
    dom = dumped(page, tmp_path / "profile")
    assert "<h1" in dom
    assert "&lt;img src=x" in dom
    assert "<img" not in dom
    planted = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script></body>"
    for policy, runs in ((True, False), (False, True)):
        text = page.read_text(encoding="utf-8").replace("</body>", planted)
        broken = page.with_name("broken.html")
        broken.write_text(text if policy else without_policy(text), encoding="utf-8")
        dom = dumped(broken, tmp_path / "profile")
        assert "Welcome" in dom
        assert ("<title>run" in dom) == runs


def test_a_list_that_there_is_not(run, tmp_path):
    export(run, ExportRequest("mushra", FOUR), tmp_path / "test")
    dom = dumped(tmp_path / "test" / "web" / "index.html", tmp_path / "profile", "?list=9")
    assert "There is no list 9" in dom
