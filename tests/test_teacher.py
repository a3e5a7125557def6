"""How the teacher follows the student, with one number in place of a network."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import nn

from spacy_dualner.teaching.settings import TeacherSettings
from spacy_dualner.teaching.teacher import Teacher


def student(value: float = 0.0) -> nn.Linear:
    return becomes(nn.Linear(1, 1, bias=False), value)


def becomes(network: nn.Linear, value: float) -> nn.Linear:
    nn.init.constant_(network.weight, value)
    return network


def number(network: nn.Module) -> float:
    (weight,) = network.parameters()
    return weight.item()


def teacher_of(network: nn.Module, **settings: Any) -> Teacher:
    return Teacher(network, TeacherSettings(**settings))


def saved(teacher: Teacher) -> bytes:
    file = io.BytesIO()
    torch.save(teacher.state_dict(), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("update", "teachers"),
    [("best", [1, 1, 3]), ("latest", [1, 2, 3]), ("always", [1, 2, 3]), ("never", [0, 0, 0])],
)
def test_who_teaches_after_each_evaluation(update: str, teachers: list[float]) -> None:
    """The students are 1, 2 and 3; the second is no better than the first."""
    network = student()
    teacher = teacher_of(network, update=update)
    for step, (is_better, expected) in enumerate(zip((True, False, True), teachers, strict=True)):
        becomes(network, step + 1.0)
        teacher.after_step(network, step)
        before = teachers[step - 1] if step else 0
        assert number(teacher.network) == (expected if update == "always" else before)
        assert number(teacher.candidate(network)) == step + 1
        teacher.after_evaluation(network, is_better=is_better)
        assert number(teacher.network) == expected
        assert number(teacher.best) == (1, 1, 3)[step]
        assert number(network) == step + 1


UPDATES = ["best", "latest", "always", "never"]


@pytest.mark.parametrize("update", UPDATES)
def test_the_candidate_is_a_running_mean(update: str) -> None:
    """Of all students alike, stage 1 among them, until it keeps `decay` at a step."""
    network = student(5.0)
    teacher = teacher_of(network, update=update, decay=0.9)
    students, mean = [5.0], 5.0
    for step in range(40):
        students.append(step % 3)
        teacher.after_step(becomes(network, float(step % 3)), step)
        mean = 0.9 * mean + 0.1 * students[-1] if step > 7 else sum(students) / len(students)
        assert number(teacher.candidate(network)) == pytest.approx(mean, rel=1e-5)
        assert number(network) == step % 3
        teaches = mean if update == "always" else 5.0
        assert number(teacher.network) == pytest.approx(teaches, rel=1e-5)
    teacher.after_evaluation(network, is_better=True)
    assert number(teacher.best) == pytest.approx(mean, rel=1e-5)
    kept = 5.0 if update == "never" else mean
    assert number(teacher.network) == pytest.approx(kept, rel=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.9])
@pytest.mark.parametrize("update", UPDATES)
def test_a_round_begins_from_stage_1_taught_by_the_best(update: str, decay: float) -> None:
    network = student(5.0)
    teacher = teacher_of(network, update=update, decay=decay, rounds=3)
    for value, is_better in ((1.0, True), (2.0, False)):
        teacher.after_step(becomes(network, value), int(value))
        teacher.after_evaluation(network, is_better=is_better)
    best = number(teacher.best)
    assert best != 5.0
    # Stage 1 is still at hand after a round.
    for _ in range(2):
        teacher.begin_round(network)
        assert number(network) == 5.0
        assert number(teacher.network) == number(teacher.best) == best
        if decay and update != "always":
            assert number(teacher.candidate(network)) == 5.0
        becomes(network, 3.0)


def test_the_teacher_neither_learns_nor_drops_out() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5)).train()
    for update in UPDATES:
        teacher = teacher_of(network, update=update, decay=0.9)
        for own in (teacher.network, teacher.best, teacher.candidate(network)):
            assert not any(module.training for module in own.modules())
            assert not any(weight.requires_grad for weight in own.parameters())
    assert network.training and all(weight.requires_grad for weight in network.parameters())


def test_the_best_student_that_teaches_takes_the_room_of_one() -> None:
    """In memory and in a checkpoint; a teacher apart from it takes that of another."""
    network = nn.Linear(200, 200)
    n_bytes = sum(weight.nbytes for weight in network.parameters())
    one, two = (teacher_of(network, update=update) for update in ("best", "never"))
    assert one.best is one.network and two.best is not two.network
    assert len(saved(one)) == pytest.approx(n_bytes, rel=0.1)
    assert len(saved(two)) == pytest.approx(2 * n_bytes, rel=0.1)
    for update, n in (("best", 2), ("always", 2), ("latest", 3)):
        mean = teacher_of(network, update=update, decay=0.9)
        assert len(saved(mean)) == pytest.approx(n * n_bytes, rel=0.1)


@pytest.mark.parametrize("decay", [0.0, 0.9])
@pytest.mark.parametrize("update", UPDATES)
def test_a_checkpoint_goes_on_as_before(update: str, decay: float) -> None:
    network = student()
    teacher = teacher_of(network, update=update, decay=decay)
    for step, is_better in enumerate((True, False)):
        becomes(network, step + 1.0)
        teacher.after_step(network, step)
        teacher.after_evaluation(network, is_better=is_better)
    other = teacher_of(student(9.0), update=update, decay=decay)
    other.load_state_dict(torch.load(io.BytesIO(saved(teacher)), weights_only=True))
    assert number(other.network) == number(teacher.network)
    assert number(other.best) == number(teacher.best)
    assert number(other.candidate(network)) == number(teacher.candidate(network))


@pytest.mark.parametrize("update", UPDATES)
def test_frozen_weights_are_shared_and_others_are_not(update: str) -> None:
    network = nn.Sequential(student(1.0).requires_grad_(False), student(2.0))
    teacher = teacher_of(network, update=update, decay=0.5)
    copies = [teacher.network, teacher.best, teacher.candidate(network)]
    frozen, trained = network.parameters()
    for first, second in map(nn.Module.parameters, copies):
        assert first is frozen and second is not trained
    becomes(network[1], 6.0)
    teacher.after_step(network, 1)
    assert [weight.item() for weight in copies[2].parameters()] == [1.0, 4.0]
    assert trained.requires_grad and not any(w.requires_grad for w in teacher.best.parameters())
