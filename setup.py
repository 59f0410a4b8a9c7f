"""Which folders become which packages; everything else is in pyproject.toml.

The application lives in `app/`, but a wheel must not claim so general a top-level name: it is
installed as `pc_workbench`. Every sub-folder is found here, so that the list cannot go stale.
"""

from setuptools import find_namespace_packages, setup

# import name -> folder of the source tree
FOLDERS = {
    "pccore": "pccore",
    "pccore.sample_models": "sample_models",
    "pc_workbench": "app",
    "pc_workbench.assets": "assets",
}

# Namespace packages: a folder of style sheets or lessons has no __init__.py, yet has to ship.
packages = [
    name
    for package, folder in FOLDERS.items()
    for name in (package, *(f"{package}.{sub}" for sub in find_namespace_packages(folder)))
    if "__pycache__" not in name
]

setup(packages=packages, package_dir=FOLDERS)
