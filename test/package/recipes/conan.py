"""Runs the recipe with stand-ins for what Conan has: conan.py <folder> <version>

The package is in <folder>/package then, and what the recipe says of it is compared to its pkg-config file.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import types

folder, version = pathlib.Path(sys.argv[1]), sys.argv[2]
recipe = pathlib.Path(__file__).resolve().parents[3] / 'cmake' / 'conan'


class Toolchain:
    variables = {}
    generate = staticmethod(lambda: None)


class CMake:
    def __init__(self, conanfile):
        self.conanfile = conanfile

    def configure(self):
        variables = [f'-D{name}={value}' for name, value in Toolchain.variables.items()]
        subprocess.run(['cmake', '-S', self.conanfile.source_folder, '-B', folder / 'build', '-DCMAKE_BUILD_TYPE=Release',
                        f'-DBUILD_SHARED_LIBS={self.conanfile.options.shared}', *variables], check=True)

    def build(self):
        subprocess.run(['cmake', '--build', folder / 'build'], check=True)

    def install(self):
        subprocess.run(['cmake', '--install', folder / 'build', '--prefix', folder / 'package'], check=True)


def copy(_, pattern, src, dst):
    for path in pathlib.Path(src).glob(pattern):
        target = pathlib.Path(dst) / path.relative_to(src)
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copy)(path, target)


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


class ConanFile:
    recipe_folder = str(recipe)
    source_folder = export_sources_folder = str(folder / 'source')
    package_folder = str(folder / 'package')
    required = []

    def __init__(self):
        self.options = types.SimpleNamespace(**{**self.default_options, 'shared': True})
        self.settings = types.SimpleNamespace(os='Linux')
        self.cpp_info = types.SimpleNamespace(defines=[], properties={})
        self.cpp_info.set_property = self.cpp_info.properties.__setitem__

    def requires(self, reference, **_):
        self.required.append(reference)


module('conan', ConanFile=ConanFile)
module('conan.tools')
module('conan.tools.build', check_min_cppstd=lambda *_: None, can_run=lambda _: True)
module('conan.tools.cmake', CMake=CMake, CMakeDeps=lambda _: Toolchain, CMakeToolchain=lambda _: Toolchain,
       cmake_layout=lambda _: None)
module('conan.tools.files', copy=copy, load=lambda _, path: pathlib.Path(path).read_text())


def load(path):
    members = {}
    exec(compile(path.read_text(), path, 'exec'), members)
    return members


load(recipe / 'test_package' / 'conanfile.py')
shutil.rmtree(folder, ignore_errors=True)
conanfile = load(recipe / 'conanfile.py')['TurnstileConan']()
conanfile.set_version()
assert conanfile.version == version, conanfile.version
for step in ('export_sources', 'requirements', 'validate', 'layout', 'generate', 'build', 'package', 'package_info'):
    getattr(conanfile, step)()
assert conanfile.required == ['boost/[>=1.81.0 <2]']

info = conanfile.cpp_info
assert info.properties['cmake_target_name'] == 'turnstile::turnstile'
said = (next((folder / 'package').rglob('turnstile.pc'))).read_text()
assert re.findall(r'-D(\S+)', said) == info.defines, said
assert re.findall(r'-l(\S+)', said) == info.libs, said
