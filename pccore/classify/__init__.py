"""Classification: one class against the rest by likelihood ratio, with precision and recall.

classifier = fit_classes(data, lambda part: build_structure("rat", shape_of(part)))
report = assess(classifier, data.test, data.labels["test"])
report.accuracy, report.areas
"""

from __future__ import annotations

from pccore.classify.assess import Curve, Report, assess, precision_recall
from pccore.classify.chart import curves_csv, curves_svg
from pccore.classify.fit import fit_classes
from pccore.classify.ratio import Classifier, log_ratios

__all__ = [
    "Classifier",
    "Curve",
    "Report",
    "assess",
    "curves_csv",
    "curves_svg",
    "fit_classes",
    "log_ratios",
    "precision_recall",
]
