// What a container asks: every answer is an answer to that, and nothing is taken for a question
// twice.
#include "07-compose/names/dns_message.hpp"

#include <ldns/ldns.h>

#include <span>
#include <vector>

#include "oracle.hpp"

namespace {

using drydock::Bytes;
using drydock::IpAddress;
using drydock::parse_ip_address;

const std::vector<IpAddress> kAddresses = {
    *parse_ip_address("10.0.0.2"), *parse_ip_address("10.0.0.3"), *parse_ip_address("fd00::2")};

/// A whole message that answers the query with that many records.
void check_answer(std::span<const std::uint8_t> query, const Bytes& answer, std::size_t records) {
    ldns_pkt* packet = nullptr;
    HOLDS(::ldns_wire2pkt(&packet, answer.data(), answer.size()) == LDNS_STATUS_OK);
    HOLDS(answer[0] == query[0] && answer[1] == query[1]);
    HOLDS(::ldns_pkt_qr(packet));
    HOLDS(::ldns_pkt_qdcount(packet) == 1);
    HOLDS(::ldns_pkt_ancount(packet) == records);
    ::ldns_pkt_free(packet);
    HOLDS(!drydock::parse_dns_question(answer));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::span<const std::uint8_t> query(data, size);
    const Bytes failure = drydock::dns_failure(query, drydock::DnsCode::FormatError);
    HOLDS(failure.empty() == (size < 12));
    if (!failure.empty()) {
        HOLDS(failure[0] == data[0] && failure[1] == data[1] && (failure[2] & 0x80U) != 0);
        HOLDS(!drydock::parse_dns_question(failure));
    }
    const auto question = drydock::parse_dns_question(query);
    if (!question) {
        return 0;
    }
    HOLDS(question->most_bytes >= 512 && question->most_bytes <= 65535);
    HOLDS(question->name.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos);
    const bool v4 = question->type == drydock::kDnsA;
    const bool v6 = question->type == drydock::kDnsAaaa;
    check_answer(query, drydock::dns_addresses(query, kAddresses), v4 ? 2 : v6 ? 1 : 0);
    check_answer(query, drydock::dns_addresses(query, {}), 0);
    check_answer(query, drydock::dns_pointer(query, "web.shop"), 1);
    if (const auto address = drydock::address_of_pointer_name(question->name)) {
        HOLDS(parse_ip_address(to_text(*address)) == address);
    }
    return 0;
}
