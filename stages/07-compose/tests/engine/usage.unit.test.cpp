#include "07-compose/engine/usage.hpp"

#include <unistd.h>

#include "01-chroot/error.hpp"

#include "testing/catch.hpp"

TEST_CASE("usage: the counters of interfaces but lo", "[07][stats]") {
    const auto all = drydock::parse_interface_counters(
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
        "    lo:       1       1    0    0    0     0          0         0        1       1    0   "
        " "
        "0    0     0       0          0\n"
        "  eth0:     100       2    3    4    0     0          0         0      500       6    7   "
        " "
        "8    0     0       0          0\n");
    REQUIRE(all.size() == 1);
    CHECK(all[0].name == "eth0");
    CHECK(all[0].rx_bytes == 100);
    CHECK(all[0].rx_dropped == 4);
    CHECK(all[0].tx_bytes == 500);
    CHECK(all[0].tx_errors == 7);
}

TEST_CASE("usage: the time of all CPUs, idle or not, guests counted once", "[07][stats]") {
    const auto tick = 1'000'000'000U / static_cast<unsigned>(::sysconf(_SC_CLK_TCK));
    CHECK(drydock::parse_system_cpu_ns("cpu  1 2 3 4 5 6 7 8 100 100\ncpu0 9 9\n") == 36UL * tick);
}

TEST_CASE("top: rows whose PID is one of the container's, the last column with its spaces",
          "[07][top]") {
    const auto list = drydock::parse_process_list(
        "UID  PID PPID CMD\nroot   1    0 /sbin/init\nroot  22    1 sleep  10\n", {22});
    CHECK(list.titles == std::vector<std::string>{"UID", "PID", "PPID", "CMD"});
    REQUIRE(list.rows.size() == 1);
    CHECK(list.rows[0].back() == "sleep  10");
    CHECK_THROWS_AS(drydock::parse_process_list("USER CMD\nroot x\n", {1}), drydock::InputError);
}
