"""Builds and runs the consumer of test/package with the package."""

import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout


class TurnstileTestConan(ConanFile):
    settings = "os", "compiler", "build_type", "arch"
    generators = "CMakeDeps", "VirtualRunEnv"

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires(self.tested_reference_str)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.variables["TURNSTILE_VERSION"] = str(self.dependencies["turnstile"].ref.version)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        consumer = os.path.join(self.recipe_folder, *[os.pardir] * 3, "test", "package", "consumer")
        cmake.configure(build_script_folder=consumer)
        cmake.build()

    def test(self):
        if can_run(self):
            self.run(os.path.join(self.cpp.build.bindir, "consumer"), env="conanrun")
