#include "07-compose/names/dns_message.hpp"

#include <ldns/ldns.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <sstream>

namespace drydock {
namespace {

constexpr std::uint32_t kTimeToLive = 60;  // seconds: addresses change when containers restart

struct FreePacket {
    void operator()(ldns_pkt* packet) const noexcept { ::ldns_pkt_free(packet); }
};
using Packet = std::unique_ptr<ldns_pkt, FreePacket>;

Packet parse(std::span<const std::uint8_t> bytes) {
    ldns_pkt* packet = nullptr;
    if (::ldns_wire2pkt(&packet, bytes.data(), bytes.size()) != LDNS_STATUS_OK) {
        return nullptr;
    }
    return Packet(packet);
}

/// The one question of a query; nullptr when there is not exactly one.
ldns_rr* question_of(const ldns_pkt* packet) {
    const ldns_rr_list* questions = ::ldns_pkt_question(packet);
    return ::ldns_rr_list_rr_count(questions) == 1 ? ::ldns_rr_list_rr(questions, 0) : nullptr;
}

Bytes to_wire(const ldns_pkt* packet) {
    std::uint8_t* data = nullptr;
    std::size_t size = 0;
    if (::ldns_pkt2wire(&data, packet, &size) != LDNS_STATUS_OK) {
        return {};
    }
    Bytes bytes(data, data + size);
    std::free(data);  // NOLINT: ldns hands over what malloc gave
    return bytes;
}

/// An empty answer to the query.
Packet answer_to(const ldns_pkt* query) {
    Packet answer(::ldns_pkt_new());
    ::ldns_pkt_set_id(answer.get(), ::ldns_pkt_id(query));
    ::ldns_pkt_set_qr(answer.get(), true);
    ::ldns_pkt_set_rd(answer.get(), ::ldns_pkt_rd(query));
    ::ldns_pkt_set_ra(answer.get(), true);
    if (ldns_rr* question = question_of(query)) {
        ::ldns_pkt_push_rr(answer.get(), LDNS_SECTION_QUESTION, ::ldns_rr_clone(question));
    }
    return answer;
}

void push_record(ldns_pkt* answer, const ldns_rr* question, ldns_rr_type type, ldns_rdf* data) {
    ldns_rr* record = ::ldns_rr_new();
    ::ldns_rr_set_owner(record, ::ldns_rdf_clone(::ldns_rr_owner(question)));
    ::ldns_rr_set_type(record, type);
    ::ldns_rr_set_class(record, LDNS_RR_CLASS_IN);
    ::ldns_rr_set_ttl(record, kTimeToLive);
    ::ldns_rr_push_rdf(record, data);
    ::ldns_pkt_push_rr(answer, LDNS_SECTION_ANSWER, record);
}

std::string text_of(const ldns_rdf* name) {
    char* text = ::ldns_rdf2str(name);
    std::string result = text == nullptr ? "" : text;
    std::free(text);  // NOLINT: as above
    if (result.ends_with('.')) {
        result.pop_back();
    }
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

}  // namespace

std::optional<DnsQuestion> parse_dns_question(std::span<const std::uint8_t> query) {
    const Packet packet = parse(query);
    if (!packet || ::ldns_pkt_qr(packet.get()) ||
        ::ldns_pkt_get_opcode(packet.get()) != LDNS_PACKET_QUERY) {
        return std::nullopt;
    }
    const ldns_rr* question = question_of(packet.get());
    if (question == nullptr || ::ldns_rr_get_class(question) != LDNS_RR_CLASS_IN) {
        return std::nullopt;
    }
    constexpr std::size_t kLeast = 512;
    return DnsQuestion{
        .name = text_of(::ldns_rr_owner(question)),
        .type = static_cast<std::uint16_t>(::ldns_rr_get_type(question)),
        .most_bytes = std::max<std::size_t>(kLeast, ::ldns_pkt_edns_udp_size(packet.get()))};
}

Bytes dns_addresses(std::span<const std::uint8_t> query, const std::vector<IpAddress>& addresses) {
    const Packet packet = parse(query);
    const Packet answer = answer_to(packet.get());
    const ldns_rr* question = question_of(packet.get());
    const ldns_rr_type type = ::ldns_rr_get_type(question);
    for (const IpAddress& address : addresses) {
        const ldns_rr_type its_type = address.is_v6() ? LDNS_RR_TYPE_AAAA : LDNS_RR_TYPE_A;
        if (its_type == type) {
            push_record(
                answer.get(), question, type,
                ::ldns_rdf_new_frm_data(address.is_v6() ? LDNS_RDF_TYPE_AAAA : LDNS_RDF_TYPE_A,
                                        address.data().size(), address.data().data()));
        }
    }
    return to_wire(answer.get());
}

Bytes dns_pointer(std::span<const std::uint8_t> query, const std::string& name) {
    const Packet packet = parse(query);
    const Packet answer = answer_to(packet.get());
    if (ldns_rdf* data = ::ldns_dname_new_frm_str(name.c_str())) {
        push_record(answer.get(), question_of(packet.get()), LDNS_RR_TYPE_PTR, data);
    }
    return to_wire(answer.get());
}

Bytes dns_failure(std::span<const std::uint8_t> query, DnsCode code) {
    if (const Packet packet = parse(query)) {
        const Packet answer = answer_to(packet.get());
        ::ldns_pkt_set_rcode(answer.get(), static_cast<std::uint8_t>(code));
        return to_wire(answer.get());
    }
    constexpr std::size_t kHeader = 12;
    if (query.size() < kHeader) {
        return {};
    }
    // What cannot be read is answered by its header alone: the ID, "answer", the code.
    Bytes answer(kHeader, 0);
    std::ranges::copy(query.first(2), answer.begin());
    answer[2] = 0x80;
    answer[3] = static_cast<std::uint8_t>(code);
    return answer;
}

std::optional<IpAddress> address_of_pointer_name(const std::string& name) {
    const auto labels_before = [&](std::string_view suffix) {
        std::vector<std::string> labels;
        if (name.ends_with(suffix)) {
            std::istringstream text(name.substr(0, name.size() - suffix.size()));
            for (std::string label; std::getline(text, label, '.');) {
                labels.insert(labels.begin(), label);  // they stand the other way round
            }
        }
        return labels;
    };
    std::string address;
    if (const auto v4 = labels_before(".in-addr.arpa"); v4.size() == 4) {
        for (const std::string& label : v4) {
            address += (address.empty() ? "" : ".") + label;
        }
    } else if (const auto v6 = labels_before(".ip6.arpa"); v6.size() == 32) {
        for (std::size_t i = 0; i < v6.size(); ++i) {
            address += (i > 0 && i % 4 == 0 ? ":" : "") + v6[i];
        }
    }
    return parse_ip_address(address);
}

}  // namespace drydock
