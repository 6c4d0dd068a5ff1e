"""A recipe for Conan 2, of the checkout that it is in: conan create cmake/conan"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load


class TurnstileConan(ConanFile):
    name = "turnstile"
    description = "An asynchronous semaphore for Boost.Asio"
    license = "BSL-1.0"
    topics = ("asio", "semaphore", "concurrency", "coroutines")
    package_type = "library"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": False, "fPIC": True}
    implements = ["auto_shared_fpic"]

    def _checkout(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def set_version(self):
        header = load(self, os.path.join(self._checkout(), "include", "turnstile", "detail", "config.hpp"))
        parts = (re.search(rf"^#define TURNSTILE_VERSION_{part} (\d+)$", header, re.MULTILINE)
                 for part in ("MAJOR", "MINOR", "PATCH"))
        self.version = ".".join(part.group(1) for part in parts)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*"):
            copy(self, pattern, src=self._checkout(), dst=self.export_sources_folder)

    def requirements(self):
        self.requires("boost/[>=1.81.0 <2]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.variables["TURNSTILE_BUILD_TESTS"] = False
        toolchain.variables["TURNSTILE_BUILD_EXAMPLES"] = False
        toolchain.variables["TURNSTILE_REDIS"] = "OFF"
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # As turnstile's own CMake package has it, which is left out: Conan writes one that knows its Boost.
        self.cpp_info.set_property("cmake_file_name", "turnstile")
        self.cpp_info.set_property("cmake_target_name", "turnstile::turnstile")
        self.cpp_info.set_property("pkg_config_name", "turnstile")
        self.cpp_info.libs = ["turnstile"]
        self.cpp_info.requires = ["boost::headers"]
        if self.options.shared:
            self.cpp_info.defines = ["TURNSTILE_SHARED"]
        if self.settings.os == "Windows":
            self.cpp_info.system_libs = ["ws2_32", "mswsock"]
        elif self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
