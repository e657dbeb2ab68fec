#include "02-namespaces/netlink.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "02-namespaces/link.hpp"

#include "testing/catch.hpp"

namespace {

using drydock::NetlinkBatch;

template <class T>
T at(const NetlinkBatch& batch, std::size_t offset) {
    T value{};
    REQUIRE(offset + sizeof(T) <= batch.bytes().size());
    std::memcpy(&value, batch.bytes().subspan(offset).data(), sizeof(T));
    return value;
}

TEST_CASE("NetlinkBatch: a request is a header, a second header and padded attributes",
          "[02][netlink]") {
    NetlinkBatch batch;
    ifinfomsg link{};
    link.ifi_index = 7;
    batch.begin(RTM_NEWLINK, NLM_F_CREATE, link, "text");
    batch.put(IFLA_IFNAME, std::string("eth0"));  // five bytes with the zero, eight with padding
    batch.put(IFLA_MTU, std::uint32_t{1400});
    const auto header = at<nlmsghdr>(batch, 0);
    CHECK(header.nlmsg_len == 16 + 16 + 12 + 8);
    CHECK(header.nlmsg_len == batch.bytes().size());
    CHECK(header.nlmsg_type == RTM_NEWLINK);
    CHECK(header.nlmsg_flags == (NLM_F_CREATE | NLM_F_REQUEST | NLM_F_ACK));
    CHECK(header.nlmsg_seq == 1);
    CHECK(at<ifinfomsg>(batch, 16).ifi_index == 7);
    CHECK(at<nlattr>(batch, 32).nla_len == 9);
    CHECK(at<nlattr>(batch, 32).nla_type == IFLA_IFNAME);
    CHECK(at<nlattr>(batch, 44).nla_len == 8);
    CHECK(at<std::uint32_t>(batch, 48) == 1400);
}

TEST_CASE("NetlinkBatch: a nested attribute is as long as what it holds", "[02][netlink]") {
    NetlinkBatch batch;
    batch.begin(RTM_NEWLINK, 0, ifinfomsg{}, "text");
    {
        const auto outer = batch.nest(IFLA_LINKINFO);
        batch.put(IFLA_INFO_KIND, std::string("veth"));
        const auto inner = batch.nest(IFLA_INFO_DATA);
        batch.put(IFLA_MTU, std::uint32_t{1});
    }
    batch.put(IFLA_MTU, std::uint32_t{2});
    const auto outer = at<nlattr>(batch, 32);
    CHECK(outer.nla_type == (IFLA_LINKINFO | NLA_F_NESTED));
    CHECK(outer.nla_len == 4 + 12 + 4 + 8);
    CHECK(at<nlattr>(batch, 48).nla_len == 12);
    CHECK(at<nlattr>(batch, 32 + outer.nla_len).nla_type == IFLA_MTU);
}

TEST_CASE("NetlinkBatch: requests stand behind each other and are numbered", "[02][netlink]") {
    NetlinkBatch batch;
    CHECK(batch.empty());
    drydock::set_up(batch, 1);
    drydock::delete_link(batch, "a");
    const auto first = at<nlmsghdr>(batch, 0);
    const auto second = at<nlmsghdr>(batch, first.nlmsg_len);
    CHECK(second.nlmsg_seq == 2);
    CHECK(first.nlmsg_len + second.nlmsg_len == batch.bytes().size());
    CHECK(batch.texts().back() == "RTM_DELLINK(ifname=a)");
}

TEST_CASE("MacAddress: six pairs of hexadecimal digits", "[02][netlink]") {
    CHECK(drydock::to_text(drydock::parse_mac_address("02:42:AC:11:00:0f").value()) ==
          "02:42:ac:11:00:0f");
    for (const char* text : {"", "02:42", "02:42:ac:11:00:0g", "02-42-ac-11-00-02",
                             "02:42:ac:11:00:022", "024:2:ac:11:00:02"}) {
        INFO(text);
        CHECK_FALSE(drydock::parse_mac_address(text));
    }
}

TEST_CASE("is_link_name: what the kernel takes as the name of a link", "[02][netlink]") {
    CHECK(drydock::is_link_name("br-0123456789ab"));
    for (const char* name : {"", ".", "..", "a/b", "a b", "a:1", "0123456789abcdef", "a\n"}) {
        INFO(name);
        CHECK_FALSE(drydock::is_link_name(name));
    }
}

}  // namespace
