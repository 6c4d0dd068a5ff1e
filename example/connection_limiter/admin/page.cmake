# cmake -D page=<file> -D source=<file> -P page.cmake
#
# Writes a source file that defines page(), declared in page.hpp, and returns the contents of the page.
file(READ "${page}" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)"
  "\\1\n" bytes "${bytes}")
file(WRITE "${source}" "#include \"admin/page.hpp\"

namespace connection_limiter {

static constexpr unsigned char bytes[] = {
${bytes}};

std::string_view page() noexcept { return {reinterpret_cast<const char*>(bytes), sizeof bytes}; }

}  // namespace connection_limiter
")
