"""Only what setup.cfg can't say: the packages live under two folders."""

from pathlib import Path

from setuptools import find_packages, setup

packages = find_packages(include=["socketio_sync", "socketio_sync.*"])
package_dir = {}
extension = "contrib/flask/flask_socketio_sync"
if Path(__file__).parent.joinpath(extension, "__init__.py").is_file():
    packages += find_packages("contrib/flask", include=["flask_socketio_sync", "flask_socketio_sync.*"])
    package_dir["flask_socketio_sync"] = extension

setup(packages=packages, package_dir=package_dir)
