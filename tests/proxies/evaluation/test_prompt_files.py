"""GenEval's and DPG-Bench's files are read as their authors write them."""

import json

import pytest

from proxies.evaluation.prompt_files import read_prompts
from search_space.errors import WalkbenchError

# As GenEval's prompts/create_prompts.py writes them: keys in this order, positions as lists.
GENEVAL = [
    {"tag": "single_object", "include": [{"class": "bench", "count": 1}],
     "prompt": "a photo of a bench"},
    {"tag": "counting", "include": [{"class": "clock", "count": 2}],
     "exclude": [{"class": "clock", "count": 3}], "prompt": "a photo of two clocks"},
    {"tag": "position", "include": [{"class": "cow", "count": 1},
     {"class": "dog", "count": 1, "position": ["right of", 0]}],
     "prompt": "a photo of a dog right of a cow"},
]  # fmt: skip
COLUMNS = (
    "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,"
    "question_natural_language"
)


def test_genevals_metadata_keeps_every_line_as_it_is(tmp_path):
    path = tmp_path / "evaluation_metadata.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in GENEVAL))
    found = read_prompts(str(path))
    assert found.kind == "geneval"
    assert [prompt.metadata for prompt in found.prompts] == GENEVAL
    assert [prompt.text for prompt in found.prompts] == [line["prompt"] for line in GENEVAL]
    assert len(read_prompts(str(path), count=2).prompts) == 2


def test_dpg_benchs_folder_and_csv_give_the_same_prompts(tmp_path):
    texts = {"1": "A truck, red; it is big.", "partiprompts10": 'a sign that says "stop"'}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    table = tmp_path / "dpg_bench.csv"
    quoted = {name: '"' + text.replace('"', '""') + '"' for name, text in texts.items()}
    rows = [f"{n},{quoted[n]},k,{i},0,entity,whole,entity - whole (truck),Is it?"
            for n in texts for i in (1, 2)]  # fmt: skip
    table.write_text("\n".join([COLUMNS, *rows]) + "\n")
    folder, listed = read_prompts(str(tmp_path)), read_prompts(str(table))
    assert folder.kind == listed.kind == "dpg"
    assert {p.id: p.text for p in folder.prompts} == texts
    assert folder.prompts == listed.prompts


def test_a_plain_list_has_a_prompt_a_line(tmp_path):
    path = tmp_path / "generation_prompts.txt"
    path.write_text("a photo of a bench\n\na photo of a cow\n")
    found = read_prompts(str(path))
    assert (found.kind, [p.text for p in found.prompts]) == (
        "plain",
        ["a photo of a bench", "a photo of a cow"],
    )


def test_the_checkers_own_prompts_include_held_out_pairs():
    assert len(read_prompts("shapes:pairs", 5).prompts) == 5
    assert read_prompts("scenes", 3).prompts[0].metadata["include"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.jsonl", '{"tag": "x"\n', "line 1 is no JSON"),
        ("a.jsonl", "\n[1]\n", "line 2: '[1]' is no JSON object"),
        ("a.jsonl", '{"tag": "x", "include": []}\n', "'prompt' is missing"),
        ("a.jsonl", '{"tag": "x", "prompt": "y", "include": [{"class": "z"}]}', "whole 'count'"),
        ("a.jsonl", '{"tag": "x", "prompt": "y", "include": [{"class": "z", "count": 1, '
                    '"position": ["above", 0]}]}', "only items before it"),
        ("a.csv", "id,prompt\n1,x\n", "no column 'item_id'"),
        ("a.csv", "item_id,text\na.b,x\n", "up to the first dot"),
        ("a.txt", "\n", "holds no prompts"),
        ("a.yaml", "x", "is no .jsonl, .csv or .txt"),
    ],
)  # fmt: skip
def test_a_file_in_another_format_is_refused_by_name(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(WalkbenchError, match=says.replace("[", r"\[")):
        read_prompts(str(tmp_path / name))


def test_missing_files_and_unknown_splits_are_refused():
    with pytest.raises(WalkbenchError, match="neither a file nor a folder"):
        read_prompts("nowhere")
    with pytest.raises(WalkbenchError, match="unknown split 'pair'"):
        read_prompts("shapes:pair")
