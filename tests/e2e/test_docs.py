"""The pages say what is so: links lead somewhere, every page can be reached, and figures and pictures are those the program prints."""
import json
import re
import shutil

import pytest
from conftest import ROOT

PAGES = sorted((ROOT / "docs").rglob("*.md"))
CONFIGS = ROOT / "tests/model/configs"
CASES = ROOT / "tests/golden"


def links(page):
    """Relative targets of a page's links, without their anchors."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [(page.parent / link.split("#")[0]).resolve() for link in found if not link.startswith(("http", "#"))]


@pytest.mark.once
@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "README.ko.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda p: p.name)
def test_links_lead_to_files(page):
    for target in links(page):
        assert target.exists(), target


@pytest.mark.once
@pytest.mark.parametrize("front", ["README.md", "README.ko.md"])
def test_every_page_can_be_reached(front):
    seen, waiting = set(), [ROOT / front]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            waiting += links(page)
    assert set(PAGES) <= seen


PAGE_OF = {"axk1": "axk1", "exaone4": "exaone", "exaone45": "exaone", "hyperclovax": "hyperclovax", "k": "k-exaone", "solar": "solar-open",
           "vaetki": "vaetki"}


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.json")), ids=lambda p: p.stem)
def test_the_tables_of_sizes_are_what_inspect_tells(dure, tmp_path, config):
    page = (ROOT / "docs/models" / (PAGE_OF[config.stem.split("_")[0]] + ".md")).read_text()
    shutil.copy(config, tmp_path / "config.json")
    told = dure("inspect", tmp_path, "--json").account
    row = next(line for line in page.splitlines() if line.startswith("|") and f"{told['parameters']:,}" in line)
    assert f"{told['parameters_active']:,}" in row or told["parameters_active"] == told["parameters"]
    if "as the " not in row:
        assert str(told["sizes"]["layers"]) in row
    assert f"{told['cache']['bytes_per_token']:,} bytes" in row


@pytest.mark.parametrize("page", sorted((ROOT / "docs/models").glob("*.md")), ids=lambda p: p.stem)
def test_pictures_of_layers_are_what_inspect_prints(dure, tmp_path, page):
    text = page.read_text()
    for n, (name, shown) in enumerate(re.findall(r"cp tests/model/configs/(\w+)\.json .*?\n\$ dure inspect \w+\n(.*?)```", text, re.S)):
        folder = tmp_path / str(n)
        folder.mkdir()
        shutil.copy(CONFIGS / f"{name}.json", folder / "config.json")
        printed = dure("inspect", folder).ok().text.splitlines()
        for line in shown.splitlines():
            assert line in (*printed, "", "..."), line


@pytest.mark.once
@pytest.mark.parametrize("page", sorted((ROOT / "docs/models").glob("*.md")), ids=lambda p: p.stem)
def test_the_tests_that_a_page_cites_are_there(page):
    text = page.read_text()
    for cited in re.findall(r"`((?:tests|tools)/[\w./-]+)`", text):
        assert (ROOT / cited).exists(), cited
    for family in re.findall(r"`tests/golden/(\w+)`: ", text):
        row = next(line for line in text.splitlines() if f"`tests/golden/{family}`: " in line)
        cited = set(re.findall(r"`(\w+)`", row.split(f"`tests/golden/{family}`: ")[1])) - {"layer_types", "sliding_window_pattern"}
        assert cited == {case.name for case in (CASES / family).iterdir()}, family


@pytest.mark.once
def test_the_table_of_models_names_what_opens(dure, tmp_path):
    """In the words of the refusal: every model_type that is known stands in the table, and no other."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "none"}))
    known = dure("run", tmp_path, "x").message.split("known are ")[1].strip().split(", ")
    rows = [line.split("|")[4] for line in (ROOT / "docs/models/README.md").read_text().splitlines() if line.startswith("| [")]
    assert {name.strip() for row in rows for name in row.split(",")} == set(known)
