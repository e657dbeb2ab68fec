#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "04-layers/digest.hpp"
#include "04-layers/tar_reader.hpp"

namespace drydock {

struct ApplyOptions {
    std::string name = "layer";  ///< for errors: a path or a digest
    TarLimits limits{};
    /// Directories of the layers below, topmost first: a directory that the archive does not
    /// mention, but puts files into, takes owner, mode and times from there. Lent.
    std::vector<int> lowers{};
    /// "user" for an overlay mounted with the option userxattr (rootless)
    std::string overlay_namespace = "trusted";
    /// For an archive that is still being written: called at the end of what is there, with the
    /// bytes read so far. It waits until there are more (true), or until there are no more and what
    /// was read has proved right (false). An exception from it ends the unpacking.
    std::function<bool(std::uint64_t)> more{};
    /// Called now and then with the bytes applied so far.
    std::function<void(std::uint64_t)> progress{};
};

struct AppliedLayer {
    Digest diff_id{};         ///< of the uncompressed stream, all of it
    std::uint64_t bytes = 0;  ///< of the uncompressed stream
    std::uint64_t entries = 0;
};

/// Unpacks a layer into a directory of its own, in the form overlayfs reads: a whiteout `.wh.x`
/// becomes the character device 0:0 `x`, an opaque whiteout the extended attribute
/// trusted.overlay.opaque.
///
/// Nothing is ever written outside the directory: each entry is made with *at calls below a
/// descriptor of its parent, and no symbolic link is followed on the way there.
/// @param blob the archive (plain, gzip or zstd); @param directory an empty directory, or one of
/// earlier applies
/// @throws InputError (damaged or hostile archive), std::system_error; the directory is half-filled
/// then: discard it
/// @see OCI image-spec, layer.md; kernel Documentation/filesystems/overlayfs.rst, "whiteouts and
/// opaque directories"
AppliedLayer apply_layer(int blob, int directory, const ApplyOptions& options = {});

}  // namespace drydock
