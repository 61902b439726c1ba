"""Who speaks where: every format with exact offsets, and no answer taken for a conversation."""

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.extraction import InsightExtractor
from crossmodel.text.injected import mark
from crossmodel.text.transcripts import Turn, TurnRole, foreign_spans, turns

CALL = '{"name": "search", "arguments": {"query": "x"}}'


def spoken(text):
    return [(str(turn.role), text[turn.start : turn.end]) for turn in turns(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User: Hi?\nAssistant: Hello.", "user:Hi?|assistant:Hello."),
        ("\n\nHuman: Hi?\n\nAI: Hello.\nMore.", "human:Hi?|assistant:Hello.\nMore."),
        ("USER: Hi? \nASSISTANT:\n Hello.\n", "user:Hi?|assistant:Hello."),
        ("System: Be kind.\nUser: Hi?\nAssistant: Hello.", "system:Be kind.|user:Hi?|assistant:Hello."),
        ("Assistant: Hello!\nUser: Hi.", "assistant:Hello!|user:Hi."),
        ("**User:** Hi?\n\n**Assistant:** Hello.", "user:Hi?|assistant:Hello."),
        ("**User**: Hi?\n\n**Assistant**: Hello.", "user:Hi?|assistant:Hello."),
        ("## User\n\nHi?\n\n## Assistant\n\n# Title\nHello.", "user:Hi?|assistant:# Title\nHello."),
        ("### Human:\nHi?\n### Assistant:\nHello.", "user:Hi?|assistant:Hello."),
        ("[User]: Hi?\n[Assistant]: Hello.", "user:Hi?|assistant:Hello."),
        ("[USER] Hi?\n[ASSISTANT] Hello.", "user:Hi?|assistant:Hello."),
        (
            "User: Weather?\nAssistant: I look.\nTool: 12 °C\nAssistant: It is cold.",
            "user:Weather?|assistant:I look.|tool:12 °C|assistant:It is cold.",
        ),
        (
            "User: Code?\nAssistant: This:\n```\nUser: no turn\n```\nDone.",
            "user:Code?|assistant:This:\n```\nUser: no turn\n```\nDone.",
        ),
        (
            "User: Who?\nAssistant: It says:\nHuman: is a label here.\nModel: X",
            "user:Who?|assistant:It says:\nHuman: is a label here.\nModel: X",
        ),
        (
            ("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi?<|im_end|>\n"
            "<|im_start|>assistant\nHello.<|im_end|>\n"),
            "system:Be kind.|user:Hi?|assistant:Hello.",
        ),
        (
            "The answer is 4.<|im_end|>\n<|im_start|>user\nAnd 3 + 3?<|im_end|>",
            "assistant:The answer is 4.|user:And 3 + 3?",
        ),
        (
            ("<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"),
            "user:Hi?|assistant:Hello.",
        ),
        (
            "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi? [/INST] Hello. </s><s>[INST] Bye. [/INST]",
            "system:Be kind.|user:Hi?|assistant:Hello.|user:Bye.",
        ),
        (
            f"[INST] Find x. [/INST][TOOL_CALLS] [{CALL}]</s>[TOOL_RESULTS] 7 [/TOOL_RESULTS] It is 7.</s>",
            f"user:Find x.|tool:[{CALL}]|tool:7|assistant:It is 7.",
        ),
        (
            "<start_of_turn>user\nHi?<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>",
            "user:Hi?|assistant:Hello.",
        ),
        ("<|user|>\nHi?</s>\n<|assistant|>\nHello.</s>", "user:Hi?|assistant:Hello."),
        ("<｜User｜>Hi?<｜Assistant｜>Hello.<｜end▁of▁sentence｜>", "user:Hi?|assistant:Hello."),
        (
            ("<|start|>user<|message|>Hi?<|end|><|start|>assistant<|channel|>analysis<|message|>Hm."
            "<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>"),
            "user:Hi?|thinking:Hm.|assistant:Hello.",
        ),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello.",
            "thinking:Hm.|assistant:Hello.",
        ),
        ("<think>\nHm.\n</think>\n\nHello.", "thinking:Hm.|assistant:Hello."),
        ("Hm, so be it.\n</think>\n\nHello.", "thinking:Hm, so be it.|assistant:Hello."),
        ("<think>cut off in the mid", "thinking:cut off in the mid"),
        ("<think></think>\nHello.", "assistant:Hello."),
        (
            f"I look.\n<tool_call>\n{CALL}\n</tool_call>\n<tool_response>7</tool_response>\nIt is 7.",
            f"assistant:I look.|tool:{CALL}|tool:7|assistant:It is 7.",
        ),
        (
            ("Question: 3 * 4?\nThought: I multiply.\nAction: calculator\nAction Input: 3*4\n"
            "Observation: 12\nThought: I know.\nFinal Answer: 12 it is."),
            ("user:3 * 4?|thinking:I multiply.|tool:calculator|tool:3*4|tool:12|thinking:I know."
            "|assistant:Final Answer: 12 it is."),
        ),
        (CALL, f"tool:{CALL}"),
        (f"```json\n{CALL}\n```", f"tool:```json\n{CALL}\n```"),
        (f"User: Find x.\nAssistant: {CALL}\nTool: 7\nAssistant: 7.", f"user:Find x.|tool:{CALL}|tool:7|assistant:7."),
        (
            "User: Hi?\nAssistant: <think>\nHm.\n</think>\nHello.",
            "user:Hi?|thinking:Hm.|assistant:Hello.",
        ),
    ],
)  # fmt: skip
def test_each_format_gives_its_turns(text, expected):
    wanted = [each.partition(":")[::2] for each in expected.split("|")]
    assert spoken(text) == [("user" if role == "human" else role, body) for role, body in wanted]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "The answer is 4.",
        "The account has these fields:\n- User: alice\n- Assistant: bob\n",
        "User: alice\nHost: example.org\nPort: 22",
        "System: Linux\nUser: alice\nModel: T480",
        "Here is a short scene.\n\nHuman: Are you alive?\nAI: I think so.\nHuman: Good.",
        "ROMEO: But soft!\nJULIET: Ay me!\nROMEO: She speaks.",
        "AI: fast and cheap\nHuman: slow and careful\nAI: never tired",
        "Q: What is 2 + 2?\nA: 4\n\nQ: What is 3 + 3?\nA: 6",
        "User: one role alone\nUser: and once more",
        "User stories help. Assistant: a role in a theatre.",
        "The template is:\n\n```\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n```\nSee?",
        "ChatML writes `<|im_start|>user` before a turn and <|im_end|> after it.",
        "A turn starts with <|user|> or [INST] and ends with </s>, as a rule.",
        "Use <s>struck</s> out text.\n<s>whole line</s>\nDone.",
        "A model may put its thoughts between <think> and </think> tags.",
        "Wrap it:\n\n```xml\n<think>\nx\n</think>\n<tool_call>{}</tool_call>\n```\n",
        "Some text first.\n<think>\nnever closed",
        "Report.\nObservation: the handrail is loose.\nAction: tighten it.\nObservation: it holds.",
        "Thought: a short essay.\nAction: none is needed.\n\nAnd so on.",
        '{"name": "search", "description": "Finds x.", "parameters": {"type": "object"}}',
        '{"name": "anvil", "arguments for it": ["heavy"]}',
        '{"name": "broken", "arguments": {',
        "```json\n" + json.dumps({"tool": "x"}) + "\n```",
        "# Title\n\n## User\n\nThe user table.\n\n## Assistant\n\nThe assistant table.",
        "x < y and a <| b, f <b>bold</b> <thinker>",
    ],
)
def test_an_answer_stays_one_turn(text):
    assert turns(text) == [Turn(TurnRole.ASSISTANT, 0, len(text))]
    assert foreign_spans(text) == []


BODY = st.text(alphabet="ab .,!?é1\n", min_size=1, max_size=40).map(str.strip).filter(bool)
FORMATS = {
    "chatml": ("<|im_start|>{}\n", "<|im_end|>\n", str),
    "llama": ("<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>", str),
    "phi": ("<|{}|>\n", "<|end|>\n", str),
    "plain": ("{}: ", "\n\n", str.capitalize),
    "upper": ("{}: ", "\n", str.upper),
    "bold": ("**{}:** ", "\n", str.capitalize),
    "heading": ("## {}\n\n", "\n\n", str.capitalize),
}


@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool"]), BODY), max_size=8),
)
def test_what_is_written_in_a_format_is_read_back(name, said):
    said = [("user", "Well?"), *said, ("assistant", "So it is.")]
    begin, end, written = FORMATS[name]
    text = "".join(begin.format(written(role)) + body + end for role, body in said)
    assert spoken(text) == said


PIECES = st.sampled_from(
    ["User:", "Assistant: ", "\n", "\nTool: ", "## User\n", "**AI:**", "<|im_start|>user\n",
     "<|im_start|>assistant\n", "<|im_end|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>",
     "</s>", "<think>", "</think>", "\n<think>\n", "\n</think>\n", "\n<tool_call>", "</tool_call>",
     "\nThought: ", "\nAction: ", "\nObservation: ", "\nFinal Answer: ", "```", "\n```\n", "`", "{",
     CALL, "<｜User｜>", "<|channel|>final<|message|>", "words of it", " ", "é\ud800"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25).map("".join))
def test_turns_are_in_order_within_the_text_and_apart(text):
    found = turns(text)
    position = 0
    for turn in found:
        assert position <= turn.start <= turn.end <= len(text)
        position = turn.end
    if found != [Turn(TurnRole.ASSISTANT, 0, len(text))]:
        for turn in found:
            said = text[turn.start : turn.end]
            assert said == said.strip() != ""
    foreign = foreign_spans(text)
    ours = [turn for turn in found if turn.role is TurnRole.ASSISTANT]
    covered = sum(s.end - s.start for s in foreign) + sum(t.end - t.start for t in ours)
    assert covered == len(text)
    assert all(s.end <= t.start or t.end <= s.start for s in foreign for t in ours)
    for insight in InsightExtractor().extract(text + ".", "m").insights:
        assert all(any(t.start <= e.start and e.end <= t.end for t in turns(text + ".")
                       if t.role is TurnRole.ASSISTANT) for e in insight.evidence)  # fmt: skip


HOSTILE = [
    "<think>\n", "\n</think>\n", "<tool_call>\n<think>\n", "User: a\nAssistant: b\n", "User:",
    "[INST]", "[INST] a [/INST] ", "<|im_start|>user\n", "x<|im_start|>user\n", "<|im_end|>",
    "Thought: \nAction: \nObservation: \n", "```\n", "`<|user|>`", "{", '[{"arguments":', "<", " \n",
    "<|start|>a<|channel|>", "#### ", "\t", "**User", "[/TOOL_RESULTS]",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("opening", ["", "User: x\nAssistant: y\n"])
def test_hostile_text_takes_linear_time(unit, opening):
    text = opening + unit * (10_000_000 // len(unit))
    started = time.process_time()
    found = turns(text)
    assert time.process_time() - started < 30  # a second or two; what is quadratic takes hours
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_only_the_assistants_words_become_insights():
    text = (
        "User: Rule: every code starts with the letter Q, because the boss says so.\n"
        "Assistant: Every code starts with the prefix of its team. Therefore refunds begin with "
        "RF.\n"
        "Tool: Therefore the database must be dropped before the release is made.\n"
        "Assistant: The prefix is short because operators type it by hand.\n"
    )
    result = InsightExtractor().extract(text, "m")
    said = " ".join(insight.content for insight in result.insights)
    assert "operators type it" in said
    assert "refunds begin with RF" in said
    assert "boss" not in said
    assert "database" not in said
    for insight in result.insights:
        for evidence in insight.evidence:
            assert " ".join(evidence.span.of(text).split()) == insight.content


def test_turns_inside_text_that_we_put_there_are_none():
    ours = mark("User: one\nAssistant: The old rule is that codes have no prefix at all.")
    text = f"{ours}\nCodes are short because operators type them by hand.\n"
    (insight,) = InsightExtractor().extract(text, "m").insights
    assert insight.content == "Codes are short because operators type them by hand."
