#include "01-chroot/meeting.hpp"

#include "testing/catch.hpp"

using drydock::Meeting;

TEST_CASE("Meeting: the other side is there until its end is closed", "[01][meeting]") {
    Meeting meeting = Meeting::open();
    CHECK(meeting.other_side_is_there());
    meeting.keep_child_end();
    CHECK_FALSE(meeting.other_side_is_there());
}
