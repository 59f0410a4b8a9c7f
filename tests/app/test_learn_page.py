"""The Learn page as Streamlit runs it, without a browser: a whole lesson, a set of questions."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import lessons, store
from pc_workbench.views.questions import questions
from pc_workbench.views.questions_part import part_of
from pc_workbench.views.worksheet import answer_text
from pccore.build import circuit, indicator, mix, product
from pccore.files import load_model

pytestmark = pytest.mark.usefixtures("home")


def learn_page() -> None:
    from pc_workbench import errors, state
    from pc_workbench.screens import learn

    state.sync()
    with errors.boundary():
        learn.page()


def show(**parameters: str) -> AppTest:
    at = AppTest.from_function(learn_page, default_timeout=60)
    for name, text in parameters.items():
        at.query_params[name] = text
    return rerun(at)


def rerun(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception
    assert not at.error, [one.value for one in at.error]
    return at


def press(at: AppTest, label: str) -> AppTest:
    next(one for one in at.button if one.label == label).click()
    return rerun(at)


def parameter(at: AppTest, name: str) -> str:
    found = at.query_params.get(name, "")
    return found[0] if isinstance(found, list) else found


def keyed(widgets: Any, ending: str) -> Any:
    return next(one for one in widgets if str(one.key).endswith(ending))


def texts(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.success]
    return "\n".join(one.value for one in parts)


def step_of(lesson: str, stage: int) -> str:
    return f"### {stage + 1}. {lessons.find(lesson).steps[stage].title}"


def test_the_overview_lists_all_lessons_and_starts_one():
    at = show()
    starts = [one for one in at.button if one.label == "Start"]
    assert len(starts) == len(lessons.lessons())
    starts[1].click()
    rerun(at)
    assert parameter(at, "lesson") == lessons.lessons()[1].name
    assert lessons.lessons()[1].steps[0].title in texts(at)


def test_a_whole_lesson():
    at = show(lesson="evaluation")
    # 1: set the evidence; a wrong state is explained, the right one noticed by itself.
    keyed(at.get("button_group"), "_e0").set_value("1")
    rerun(at)
    press(at, "Check")
    assert "gives S(e) = 0.69; we look for 0.522" in at.warning[0].value
    keyed(at.get("button_group"), "_e1").set_value("0")
    rerun(at)
    assert "✓" in at.success[0].value
    press(at, "Next")
    assert parameter(at, "stage") == "1"
    # 2 and 3: type numbers.
    for wrong, said, right in (("1.7", "You added B1", "0.72"), ("1.62", "weights", "0.522")):
        keyed(at.text_input, "_answer").set_value(wrong)
        rerun(at)
        assert said in at.warning[0].value and not at.success
        keyed(at.text_input, "_answer").set_value(right)
        rerun(at)
        assert at.success and not at.warning
        press(at, "Next")
    # 4: take evidence away.
    keyed(at.get("button_group"), "_e1").set_value("?")
    rerun(at)
    assert "S(e) is 0.69" in at.success[0].value
    press(at, "Next")
    # 5: a weight.
    keyed(at.slider, "_1").set_value(0.4)
    rerun(at)
    assert "Z is 1.2" in at.success[0].value
    press(at, "Reset this step")
    assert not at.success
    assert keyed(at.slider, "_1").value == pytest.approx(0.2)
    press(at, "Next")
    # 6: and back to the list, where it is done.
    keyed(at.text_input, "_answer").set_value("0.66")
    rerun(at)
    assert at.success
    press(at, "Finish")
    assert parameter(at, "lesson") == ""
    assert "✓ done" in texts(at)


def test_a_link_restores_the_step_and_a_hostile_one_does_no_harm():
    at = show(lesson="mpe", stage="3")
    assert step_of("mpe", 3) in texts(at)
    at = show(lesson="mpe", stage="77")
    assert step_of("mpe", len(lessons.find("mpe").steps) - 1) in texts(at)
    at = AppTest.from_function(learn_page, default_timeout=60)
    at.query_params["lesson"] = "nothing-of-the-kind"
    at.run()
    assert not at.exception
    assert "no lesson" in at.warning[0].value


def test_units_are_chosen_in_the_list():
    at = show(lesson="completeness")
    at.selectbox[0].set_value("A1")
    rerun(at)
    assert "A1 is not it" in at.warning[0].value
    assert "They agree" in at.warning[0].value
    at.selectbox[0].set_value("S")
    rerun(at)
    assert "✓" in at.success[0].value


def test_a_choice_is_judged_when_it_is_checked():
    at = show(lesson="hidden", stage="3")
    at.radio[0].set_value("C2")
    rerun(at)
    assert not at.success and not at.warning
    press(at, "Check")
    assert "✓" in at.success[0].value
    at.radio[0].set_value("C1")
    rerun(at)
    assert not at.success and not at.warning
    press(at, "Check")
    assert "C1 takes 0 to 0.5" in at.warning[0].value


def test_a_repair_is_applied_to_the_live_circuit():
    at = show(lesson="completeness", stage="4")
    press(at, "Smooth B1 with a uniform X2")
    assert "another distribution" in at.warning[0].value
    press(at, "Reset this step")
    press(at, "Smooth B1 with X2")
    assert "✓" in at.success[0].value
    assert "No violation is left" in texts(at)


def test_notes_are_shown_on_request():
    at = show(lesson="parity")
    assert "For the instructor" not in texts(at)
    at.toggle[0].set_value(True)
    rerun(at)
    assert "For the instructor" in texts(at)


def test_every_step_of_every_lesson_can_be_opened():
    for lesson in lessons.lessons():
        for stage in range(len(lesson.steps)):
            at = show(lesson=lesson.name, stage=str(stage))
            assert lesson.steps[stage].title in texts(at)


# -- ask me ----------------------------------------------------------------------------------


def test_questions_are_asked_answered_and_counted():
    model = "figure1_naive_bayes"
    at = show(lesson="ask-me", model=model, seed="5")
    asked = questions(part_of(load_model(model), 5).circuit, 5, 8)
    for number, question in enumerate(asked):
        if question.options:
            at.radio[0].set_value(question.answer)
            rerun(at)
            press(at, "Check")
        else:
            # The first is answered wrongly.
            text = "77" if number == 0 else answer_text(question).replace(",", "")
            at.text_input[0].set_value(text)
            rerun(at)
        first_wrong = number == 0 and not question.options
        assert bool(at.warning) == first_wrong and bool(at.success) != first_wrong
        if number + 1 < len(asked):
            press(at, "Next")
    wrong = int(not asked[0].options)
    assert f"{8 - wrong} right of 8 answered" in texts(at)
    # The first answer counts.
    assert all(one.disabled for one in [*at.radio, *at.text_input])
    press(at, "Other questions")
    assert parameter(at, "seed") == "6"
    assert "0 right of 0 answered" in texts(at)


def test_a_large_circuit_is_asked_about_in_part():
    at = show(lesson="ask-me", model="digits_rat")
    assert "sub-circuit below" in texts(at)


def test_a_circuit_without_a_small_part_gets_a_sentence():
    wide = [
        product(indicator(f"X{i}", 1), *(indicator(f"X{j}", 0) for j in range(40) if j != i))
        for i in range(60)
    ]
    model = store.put_model(circuit(mix([1.0] * 60, wide)))
    at = AppTest.from_function(learn_page, default_timeout=60)
    at.query_params["lesson"], at.query_params["model"] = "ask-me", model
    at.run()
    assert not at.exception
    assert "answered by hand" in at.error[0].value


def test_worksheets_are_offered():
    at = show(lesson="ask-me", model="incomplete")
    labels = [one.proto.label for one in at.get("download_button")]
    assert sum("Worksheet" in one for one in labels) == 2
    assert sum("Key" in one for one in labels) == 2
