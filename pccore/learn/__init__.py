"""Learning: methods, the trainer, run directories."""

from pccore.learn.base import Learner, Method, method_named, methods
from pccore.learn.directory import Origin, RunConfig, RunDirectory, find_runs
from pccore.learn.events import Epoch, Event, Finished, Step
from pccore.learn.look import Health, Look, health_of
from pccore.learn.mixture import Mixture, MixtureOptions, Recipe, Trial, divide, train_mixture
from pccore.learn.prepare import check_trainable, prepare_run
from pccore.learn.run import execute
from pccore.learn.status import Status
from pccore.learn.trainer import Trainer, TrainOptions

__all__ = [
    "Epoch",
    "Event",
    "Finished",
    "Health",
    "Learner",
    "Look",
    "Method",
    "Mixture",
    "MixtureOptions",
    "Recipe",
    "Origin",
    "RunConfig",
    "RunDirectory",
    "Status",
    "Step",
    "TrainOptions",
    "Trainer",
    "Trial",
    "check_trainable",
    "divide",
    "execute",
    "find_runs",
    "health_of",
    "method_named",
    "methods",
    "prepare_run",
    "train_mixture",
]
