#include "07-compose/engine/changes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <utility>

#include "01-chroot/check.hpp"
#include "01-chroot/file.hpp"
#include "04-layers/directory.hpp"
#include "05-images/layer_view.hpp"

namespace drydock {
namespace {

class ChangeFinder {
  public:
    explicit ChangeFinder(const std::vector<std::filesystem::path>& lowers) : view_(lowers) {}

    void walk(int directory, const std::string& path) {
        for (const std::string& name : names_in(directory)) {
            const std::string whole = path + "/" + name;
            struct stat status{};
            if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
                continue;  // it runs, and the file is gone meanwhile
            }
            if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0)) {
                found_.push_back({.path = whole, .kind = ChangeKind::Deleted});
                continue;
            }
            const bool below = view_.find_nofollow(whole).has_value();
            found_.push_back(
                {.path = whole, .kind = below ? ChangeKind::Modified : ChangeKind::Added});
            if (S_ISDIR(status.st_mode)) {
                walk(open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get(), whole);
            }
        }
    }

    std::vector<Change> take() {
        std::ranges::sort(found_, {}, &Change::path);
        return std::move(found_);
    }

  private:
    LayerView view_;
    std::vector<Change> found_{};
};

}  // namespace

std::vector<Change> changes_in(const std::filesystem::path& upper,
                               const std::vector<std::filesystem::path>& lowers) {
    ChangeFinder finder(lowers);
    const UniqueFd directory = open_file(upper, O_RDONLY | O_DIRECTORY);
    finder.walk(directory.get(), "");
    return finder.take();
}

std::vector<std::filesystem::path> lowers_of(const MountSpec& overlay) {
    constexpr std::string_view kOption = "lowerdir=";
    std::vector<std::filesystem::path> lowers;
    const auto begin = overlay.data.find(kOption);
    if (begin == std::string::npos) {
        return lowers;
    }
    std::string_view rest = std::string_view(overlay.data).substr(begin + kOption.size());
    rest = rest.substr(0, rest.find(','));
    while (!rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find(':'));
        lowers.emplace_back(one);
        rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    }
    return lowers;
}

}  // namespace drydock
