#include "06-registry/fetch_url.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"
#include "01-chroot/temp_dir.hpp"

#include "testing/catch.hpp"

#include "raw_client.hpp"

using namespace drydock;
using namespace drydock::testing;

TEST_CASE("is_fetchable_address: this machine, its link and metadata services are not",
          "[06][fetch]") {
    for (const char* address :
         {"127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1",
          "255.255.255.255", "100.100.100.200", "::1", "::", "fe80::1", "ff02::1",
          "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fd00:ec2::254", "x"}) {
        INFO(address);
        CHECK_FALSE(is_fetchable_address(address));
    }
    for (const char* address :
         {"1.1.1.1", "10.0.0.1", "192.168.1.1", "2606:4700::1", "fd12::1", "::ffff:8.8.8.8"}) {
        INFO(address);
        CHECK(is_fetchable_address(address));
    }
}

TEST_CASE("fetch_url: nothing connects to this machine, whatever it is called", "[06][fetch]") {
    std::atomic<int> asked = 0;
    RunningServer server([&](HttpExchange& exchange) {
        ++asked;
        exchange.respond(200, {{.name = "Last-Modified", .value = "Thu, 01 Jan 1970 00:01:00 GMT"}},
                         "bytes");
    });
    const std::string port = server.address().substr(server.address().rfind(':'));
    const TempDir dir("drydock-test");
    const UniqueFd fd = open_file(dir.path() / "f", O_RDWR | O_CREAT, 0600);
    for (const char* host : {"127.0.0.1", "localhost", "2130706433", "0x7f000001", "0",
                             "[::ffff:127.0.0.1]", "127.1"}) {
        INFO(host);
        CHECK_THROWS_AS(fetch_url("http://" + std::string(host) + port + "/x", fd.get()),
                        InputError);
    }
    CHECK(asked == 0);
    CHECK_THROWS_WITH(fetch_url("http://127.0.0.1" + port + "/x", fd.get()),
                      ContainsSubstring("its address 127.0.0.1 is not one to fetch from"));
    CHECK_THROWS_AS(fetch_url("file:///etc/passwd", fd.get()), InputError);
    const std::string url = "http://" + server.address() + "/x";
    CHECK(fetch_url(url, fd.get(), {.local_addresses = true}).last_modified == 60);
    CHECK(read_file(dir.path() / "f") == "bytes");
    CHECK_THROWS_WITH(fetch_url(url, fd.get(), {.limit = 4, .local_addresses = true}),
                      ContainsSubstring("larger than 4 bytes"));
}
