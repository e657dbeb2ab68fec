#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "06-registry/auth.hpp"

namespace drydock {

struct Reference;

/// A file of an artifact.
struct ArtifactFile {
    std::filesystem::path path{};
    std::string media_type = "application/octet-stream";
};

struct ArtifactOptions {
    std::string type = "application/vnd.unknown.artifact.v1";  ///< artifactType
    /// Tag or digest of a manifest in the same repository that the artifact is about; empty: none.
    std::string subject{};
    std::map<std::string, std::string> annotations{};
    std::function<void(const std::string&)> explain{};  ///< TransferOptions::explain
};

/// Puts files into a registry: a manifest with a blob for each, which has the file's name as its
/// title. Where a registry keeps no list of referrers, the tag "sha256-HEX" of the subject is kept.
/// @return the digest of the manifest
/// @throws RegistryError, InputError
/// @see OCI image-spec, manifest.md, "Guidelines for Artifact Usage"
std::string push_artifact(const Reference& name, const std::vector<ArtifactFile>& files,
                          const Credentials& credentials, const ArtifactOptions& options);

/// The files of an artifact, digest and size checked, in `directory`; none that is there already is
/// written over.
/// @return their names
/// @throws InputError also for a title that is no plain name
std::vector<std::string> pull_artifact(const Reference& name,
                                       const std::filesystem::path& directory,
                                       const Credentials& credentials,
                                       const std::function<void(const std::string&)>& explain = {});

}  // namespace drydock
