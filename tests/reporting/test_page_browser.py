"""The page of a run in a browser: nothing hostile happens, and what happens where it is clicked."""

import csv
import json
import re
from urllib.parse import unquote

import pytest
from chromium import chromium
from page_run import HOSTILE, LABEL, SYSTEMS, TEXTS, make_run
from scipy.stats import binomtest

from ttsbench.reporting.page import write_page


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("page") / "run")
    write_page(folder)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser, run):
    browser.size(1280, 900)
    browser.open(run / "index.html")
    browser.errors.clear()
    browser.dialogs.clear()
    browser.open(run / "index.html")
    return browser


def test_nothing_hostile_happens(page):
    assert page.run("document.querySelectorAll('img[src=x]').length") == 0
    assert page.dialogs == []
    assert page.run("document.querySelector('h1').textContent") == HOSTILE
    assert page.run("getComputedStyle(document.getElementById('blind')).display") == "block"
    assert page.errors == []  # nor did the policy forbid anything


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (375, False), (375, True)])
def test_the_page_never_scrolls_sideways(page, width, dark):
    page.size(width, 900, dark)
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") != dark


ORDER = "[...document.querySelectorAll('tbody.models tr')].map(row => row.cells[0].textContent)"


def test_the_table_is_sorted_with_what_is_missing_at_the_end(page):
    own = page.run(ORDER)
    assert own == SYSTEMS[2:]
    click = "document.querySelectorAll('#table thead button')[1].click()"
    state = "document.querySelectorAll('#table thead th')[1].getAttribute('aria-sort')"
    for direction, order in (
        ("ascending", [LABEL, "a+oracle", "c+oracle"]), ("descending", ["a+oracle", LABEL, "c+oracle"]), ("none", own),
    ):  # fmt: skip
        page.run(click)
        assert page.run(state) == direction
        assert page.run(ORDER) == order
    references = "[...document.querySelectorAll('tbody.references tr')].map(row => row.cells[0].lastChild.textContent)"
    assert page.run(references) == SYSTEMS[:2]  # under the title, where there is one


def test_columns_can_be_put_away(page):
    page.run("document.querySelector('#columns input').click()")
    assert page.run("getComputedStyle(document.querySelectorAll('#table thead th')[1]).display") == "none"
    assert page.run("getComputedStyle(document.querySelectorAll('#table thead th')[2]).display") == "table-cell"


def test_one_seed_is_shown_and_another_can_be_selected(page):
    shown = """[...document.querySelectorAll('.utterance')[0].querySelectorAll('.take')]
      .filter(take => !take.hidden).map(take => take.dataset.take)"""
    assert page.run(shown) == ["0.0"] * 5
    page.run("const s = document.getElementById('take'); s.value = '3.0'; s.dispatchEvent(new Event('change'))")
    assert page.run(shown) == ["0.0", "0.0", "3.0", "3.0", "3.0"]


def test_a_clip_is_loaded_only_when_it_is_played(page):
    first = "document.querySelector('audio')"
    assert page.run("[...document.querySelectorAll('audio')].every(one => one.preload === 'none')")
    assert page.run(f"{first}.readyState") == 0
    page.run(f"{first}.play()")
    page.wait(f"{first}.currentTime > 0")
    page.run("document.querySelectorAll('audio')[1].play()")
    assert page.run(f"{first}.paused")


def answer(page, choice):
    """Answer a blind trial and return its final message; the names of the systems stay hidden until then."""
    page.run("document.getElementById('blind-next').click()")
    seen = page.run(
        "document.getElementById('blind-trial').outerHTML + document.getElementById('blind-said').outerHTML"
    )
    for name in (*SYSTEMS, "&lt;img", "wavs", ".wav", "seed"):
        hidden = seen.replace(
            "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;", ""
        )  # that is the text of one utterance
        assert name not in hidden, name
    assert page.run("document.querySelectorAll('#blind audio').length") == 0
    able = "[...document.querySelectorAll('#blind .answer')].map(one => !one.disabled)"
    assert page.run(able) == [False] * 3
    for place, told in (("a", "Now play B."), ("b", "Play them as often as you like.")):
        page.run(f"document.getElementById('blind-play-{place}').click()")
        page.wait(f"document.getElementById('blind-said').textContent === '{told}'")
    assert page.run(able) == [True] * 3
    page.run(f"document.querySelector('#blind .answer[value={choice}]').click()")
    return page.run("document.getElementById('blind-said').textContent")


def choose(page, first, second):
    page.run(f"""for (const [name, value] of [['first', {json.dumps(first)}], ['second', {json.dumps(second)}]]) {{
      const select = document.getElementById('blind-' + name);
      select.value = value; select.dispatchEvent(new Event('change'));
    }}""")


def test_a_blind_comparison_from_first_to_last(page, tmp_path):
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    choose(page, "a+oracle", LABEL)
    preferred = []
    for choice in ("a", "b", "a", "none", "b", "a", "a"):
        said = answer(page, choice)
        names = re.fullmatch(r"A was (.+) \(seed \d\), B was (.+) \(seed \d\)\. You preferred (.+)\.", said).groups()
        assert set(names[:2]) == {"a+oracle", LABEL}
        assert names[2] == {"a": names[0], "b": names[1], "none": "neither"}[choice]
        preferred.append(names[2])
    wins, losses = preferred.count("a+oracle"), preferred.count(LABEL)
    low, high = binomtest(wins, wins + losses).proportion_ci(method="wilson")
    row = page.run(
        "[...document.querySelectorAll('#blind-tally tr')].map(row => [...row.cells].map(c => c.textContent))"
    )
    share = f"{100 * wins / (wins + losses):.0f} % [{100 * low:.0f} %, {100 * high:.0f} %]"
    assert row == [["a+oracle", LABEL, str(wins), str(losses), "1", share]]
    for kind in ("json", "csv"):
        page.run(f"document.getElementById('blind-{kind}').click()")
    page.wait("true")
    for _ in range(100):
        if all((tmp_path / f"preferences.{kind}").exists() for kind in ("json", "csv")):
            break
        page.run("new Promise(done => setTimeout(done, 50))")
    saved = json.loads((tmp_path / "preferences.json").read_text())["answers"]
    assert [one["preferred"] or "neither" for one in saved] == preferred
    assert {one["utterance"] for one in saved[:3]} == set(TEXTS)  # none again before all were heard
    assert {one["a"] for one in saved} | {one["b"] for one in saved} == {"a+oracle", LABEL}
    with (tmp_path / "preferences.csv").open(newline="", encoding="utf-8") as file:
        assert [row["preferred"] for row in csv.DictReader(file)] == [one["preferred"] for one in saved]
    assert page.errors == []


def test_two_random_models_differ_and_are_no_recordings(page):
    choose(page, "", "")
    for _ in range(6):
        one, other = re.match(
            r"A was (.+?)(?: \(.*?\))?, B was (.+?)(?: \(.*?\))?\. You", answer(page, "none")
        ).groups()
        assert one != other
        assert {one, other} <= set(SYSTEMS[2:])


def test_the_blind_comparison_calls_systems_as_the_table_does(page):
    title = f"Copy {HOSTILE}"
    options = page.run("[...document.getElementById('blind-first').options].map(one => [one.value, one.textContent])")
    assert ["copy-synthesis", title] in options and ["a+oracle", "a+oracle"] in options
    choose(page, "copy-synthesis", "a+oracle")
    assert f" was {title}" in answer(page, "none")
    assert page.run("document.querySelector('#blind-tally th').textContent") == title


def test_the_louder_clip_is_turned_down(page):
    """The other system is a quarter as loud, so the louder one is played at a quarter of its volume."""
    page.run("""window.volumes = {}; window.Own = Audio;
      Audio = function () { const one = new Own(); one.play = () => { window.volumes[one.src] = one.volume;
        return Promise.resolve(); }; return one; }""")
    choose(page, "a+oracle", LABEL)
    answer(page, "none")
    volumes = page.run("volumes")
    loud = [value for address, value in volumes.items() if "a+oracle" in unquote(address)]
    quiet = [value for address, value in volumes.items() if "a+oracle" not in unquote(address)]
    assert quiet == [1]
    assert loud == [pytest.approx(0.25, rel=0.1)]


def test_one_system_is_not_compared_with_itself(page):
    choose(page, "a+oracle", "a+oracle")
    page.run("document.getElementById('blind-next').click()")
    assert page.run("document.getElementById('blind-trial').hidden")
    assert "Choose two different systems" in page.run("document.getElementById('blind-said').textContent")
