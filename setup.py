"""Maps the folders of the checkout into one package, ``scenecode``; the rest is pyproject.toml."""


from setuptools import find_packages, setup

FOLDERS = ("slam", "networks", "optim", "viewer", "configs")

packages = ["scenecode", *(f"scenecode.{name}" for name in find_packages("scenecode"))]
for folder in FOLDERS:
    packages += [f"scenecode.{folder}",
                 *(f"scenecode.{folder}.{name}" for name in find_packages(folder))]

# a folder of data, without modules
packages.append("scenecode.networks.weights")

setup(packages=packages,
      package_dir={"scenecode": "scenecode",
                   **{f"scenecode.{folder}": folder for folder in FOLDERS}})
