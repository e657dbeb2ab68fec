// The name of an image: what is read is what was written.
#include "05-images/reference.hpp"

#include <string>
#include <string_view>

#include "01-chroot/error.hpp"

#include "oracle.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    try {
        const drydock::Reference reference = drydock::parse_reference(input);
        HOLDS(!reference.domain.empty() && !reference.path.empty());
        HOLDS(!reference.tag.empty() || reference.digest);
        HOLDS(reference.path.find("..") == std::string::npos);
        HOLDS(drydock::parse_reference(drydock::to_string(reference)) == reference);
        HOLDS(drydock::parse_reference(drydock::familiar(reference)) == reference);
    } catch (const drydock::InputError& refused) {
        HOLDS(refused.what()[0] != '\0');
    }
    return 0;
}
