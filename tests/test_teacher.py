"""How the teacher follows the student, with one number in place of a network."""

from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from spacy_dualner.teaching.teacher import Teacher


def student(value: float = 0.0) -> nn.Linear:
    return becomes(nn.Linear(1, 1, bias=False), value)


def becomes(network: nn.Linear, value: float) -> nn.Linear:
    nn.init.constant_(network.weight, value)
    return network


def number(network: nn.Module) -> float:
    (weight,) = network.parameters()
    return weight.item()


def saved(teacher: Teacher) -> bytes:
    file = io.BytesIO()
    torch.save(teacher.state_dict(), file)
    return file.getvalue()


def test_who_teaches_after_each_evaluation() -> None:
    """The students are 1 to 4; the second is no better than the first, the third as good."""
    network = student()
    teacher = Teacher(network)
    teacher.score = 0.2
    given = zip((0.5, 0.3, 0.5, 0.6), (1, 1, 1, 4), strict=True)
    for step, (score, expected) in enumerate(given, start=1):
        becomes(network, float(step))
        before = number(teacher.network)
        teacher.after_step(network, step - 1)
        assert number(teacher.network) == before
        assert number(teacher.candidate(network)) == step
        teacher.after_evaluation(network, step, score)
        assert number(teacher.network) == teacher.step == expected
        assert number(network) == step
    assert teacher.score == 0.6


def test_stage_1_teaches_on_where_no_student_is_better() -> None:
    network = student(5.0)
    teacher = Teacher(network)
    teacher.score = 0.4
    teacher.after_evaluation(becomes(network, 1.0), 1, 0.4)
    assert (number(teacher.network), teacher.score, teacher.step) == (5.0, 0.4, 0)


def test_the_candidate_is_a_running_mean() -> None:
    """Of all students alike, stage 1 among them, until it keeps `decay` at a step."""
    network = student(5.0)
    teacher = Teacher(network, decay=0.9)
    students, mean = [5.0], 5.0
    for step in range(40):
        students.append(step % 3)
        teacher.after_step(becomes(network, float(step % 3)), step)
        mean = 0.9 * mean + 0.1 * students[-1] if step > 7 else sum(students) / len(students)
        assert number(teacher.candidate(network)) == pytest.approx(mean, rel=1e-5)
        assert number(network) == step % 3
        assert number(teacher.network) == 5.0
    teacher.after_evaluation(network, 40, 0.1)
    assert number(teacher.network) == pytest.approx(mean, rel=1e-5)
    # The mean goes on, the teacher stays.
    teacher.after_step(becomes(network, 99.0), 40)
    assert number(teacher.network) == pytest.approx(mean, rel=1e-5)
    assert number(teacher.candidate(network)) == pytest.approx(0.9 * mean + 9.9, rel=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_teacher_neither_learns_nor_drops_out(decay: float) -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5)).train()
    teacher = Teacher(network, decay)
    for own in (teacher.network, teacher.candidate(network)) if decay else (teacher.network,):
        assert not any(module.training for module in own.modules())
        assert not any(weight.requires_grad for weight in own.parameters())
    assert network.training and all(weight.requires_grad for weight in network.parameters())


def test_the_best_student_that_teaches_takes_the_room_of_one() -> None:
    """In memory and in a checkpoint; a running mean takes that of another."""
    network = nn.Linear(200, 200)
    n_bytes = sum(weight.nbytes for weight in network.parameters())
    assert Teacher(network).candidate(network) is network
    for decay, n in ((0.0, 1), (0.9, 2)):
        assert len(saved(Teacher(network, decay))) == pytest.approx(n * n_bytes, rel=0.1)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_a_checkpoint_goes_on_as_before(decay: float) -> None:
    network = student()
    teacher = Teacher(network, decay)
    for step, score in enumerate((0.6, 0.5)):
        becomes(network, step + 1.0)
        teacher.after_step(network, step)
        teacher.after_evaluation(network, step + 1, score)
    other = Teacher(student(9.0), decay)
    other.load_state_dict(torch.load(io.BytesIO(saved(teacher)), weights_only=True))
    assert number(other.network) == number(teacher.network)
    assert (other.score, other.step) == (teacher.score, teacher.step) == (0.6, 1)
    assert number(other.candidate(network)) == number(teacher.candidate(network))


def test_frozen_weights_are_shared_and_others_are_not() -> None:
    network = nn.Sequential(student(1.0).requires_grad_(False), student(2.0))
    teacher = Teacher(network, decay=0.5)
    copies = [teacher.network, teacher.candidate(network)]
    frozen, trained = network.parameters()
    for first, second in map(nn.Module.parameters, copies):
        assert first is frozen and second is not trained
    becomes(network[1], 6.0)
    teacher.after_step(network, 1)
    assert [weight.item() for weight in copies[1].parameters()] == [1.0, 4.0]
    assert trained.requires_grad and not any(w.requires_grad for w in copies[0].parameters())
