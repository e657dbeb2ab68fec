#pragma once

namespace drydock::stage04 {

/// While it lives, SIGINT, SIGTERM, SIGHUP and SIGPIPE do not end this program where it stands, but
/// where it next asks: so that owners remove what is half made.
class StopsWhenAsked {
  public:
    StopsWhenAsked();
    /// Back to what a signal did before.
    ~StopsWhenAsked();
    StopsWhenAsked(const StopsWhenAsked&) = delete;
    StopsWhenAsked& operator=(const StopsWhenAsked&) = delete;
    StopsWhenAsked(StopsWhenAsked&&) = delete;
    StopsWhenAsked& operator=(StopsWhenAsked&&) = delete;
};

/// @throws SetupError with exit status 128 + n when signal n came
void throw_if_interrupted();

}  // namespace drydock::stage04
