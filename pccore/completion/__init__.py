"""Image completion: fill in hidden pixels by a circuit, or by the baselines of the SPN paper.

Rows are images as `ImageShape` lays them out, values 0 .. maximum; what is missing (NaN) in a
row besides the hidden pixels is filled in as well, but never scored. Errors are on the 0-255
scale (Poon & Domingos 2011, table 1).
"""

from pccore.completion.baselines import (
    BASELINES,
    mean_image,
    nearest_neighbour,
    principal_components,
    probabilistic_pca,
    training_rows,
)
from pccore.completion.batch import Batch, Guess, complete_batch
from pccore.completion.components import (
    Component,
    Mixture,
    component_means,
    component_program,
    components_of,
    mute,
)
from pccore.completion.entropy import Uncertainty, uncertainty
from pccore.completion.masks import HALVES, hidden_pixels
from pccore.completion.methods import (
    METHODS,
    clipped,
    complete_rows,
    log_probabilities,
    quality_of,
)
from pccore.completion.pictures import contact_sheet, to_picture, to_pixels
from pccore.completion.report import files_of, table_csv, table_of
from pccore.completion.scoring import (
    RowScores,
    Scores,
    mean_squared_error,
    row_scores,
    scores,
)
from pccore.completion.sequences import (
    HiddenPath,
    Together,
    fill_together,
    most_probable_states,
)
from pccore.completion.types import Array, Mask

__all__ = [
    "BASELINES",
    "HALVES",
    "METHODS",
    "Array",
    "Batch",
    "Component",
    "Guess",
    "HiddenPath",
    "Mask",
    "Mixture",
    "RowScores",
    "Scores",
    "Together",
    "Uncertainty",
    "clipped",
    "complete_batch",
    "complete_rows",
    "component_means",
    "component_program",
    "components_of",
    "contact_sheet",
    "files_of",
    "fill_together",
    "hidden_pixels",
    "log_probabilities",
    "mean_image",
    "mean_squared_error",
    "most_probable_states",
    "mute",
    "nearest_neighbour",
    "principal_components",
    "probabilistic_pca",
    "quality_of",
    "row_scores",
    "scores",
    "table_csv",
    "table_of",
    "to_picture",
    "to_pixels",
    "training_rows",
    "uncertainty",
]
