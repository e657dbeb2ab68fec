#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace drydock {

/// What the stages of a build say. They are built at the same time and read in the order of the
/// Dockerfile: the first that is not finished is heard at once, what the others say is kept until
/// it is their turn. For any number of threads.
class BuildText {
  public:
    explicit BuildText(std::function<void(const std::string&)> out) : out_(std::move(out)) {}

    /// The stage will say something; those behind it wait for it from now on.
    void begin(std::size_t stage);
    /// At most a MiB is kept of a stage; what is left out is said.
    void say(std::size_t stage, const std::string& text);
    /// The stage has said all.
    void end(std::size_t stage);

  private:
    enum class Part { None, Open, Closed };
    struct Stage {
        Part part = Part::None;
        std::string kept{};
        bool clipped = false;
    };
    [[nodiscard]] bool is_heard(std::size_t stage) const;
    void hand_on();

    std::mutex mutex_{};
    std::vector<Stage> stages_{};
    std::function<void(const std::string&)> out_;
};

}  // namespace drydock
