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


def test_the_teacher_neither_learns_nor_drops_out() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5)).train()
    own = Teacher(network).network
    assert not any(module.training for module in own.modules())
    assert not any(weight.requires_grad for weight in own.parameters())
    assert network.training and all(weight.requires_grad for weight in network.parameters())


def test_a_checkpoint_of_the_teacher_holds_one_network() -> None:
    network = nn.Linear(200, 200)
    n_bytes = sum(weight.nbytes for weight in network.parameters())
    assert len(saved(Teacher(network))) == pytest.approx(n_bytes, rel=0.1)


def test_a_checkpoint_goes_on_as_before() -> None:
    network = student()
    teacher = Teacher(network)
    for step, score in enumerate((0.6, 0.5)):
        becomes(network, step + 1.0)
        teacher.after_evaluation(network, step + 1, score)
    other = Teacher(student(9.0))
    other.load_state_dict(torch.load(io.BytesIO(saved(teacher)), weights_only=True))
    assert number(other.network) == number(teacher.network)
    assert (other.score, other.step) == (teacher.score, teacher.step) == (0.6, 1)


def test_frozen_weights_are_shared_and_others_are_not() -> None:
    network = nn.Sequential(student(1.0).requires_grad_(False), student(2.0))
    own = Teacher(network).network
    frozen, trained = network.parameters()
    first, second = own.parameters()
    assert first is frozen and second is not trained
    becomes(network[1], 6.0)
    assert [weight.item() for weight in own.parameters()] == [1.0, 2.0]
    assert trained.requires_grad and not any(w.requires_grad for w in own.parameters())
