#include "process_table.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "01-chroot/error.hpp"
#include "01-chroot/file.hpp"

#include "spawn.hpp"

namespace drydock {
namespace {

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) {
        words.push_back(word);
    }
    return words;
}

bool is_one_of(const std::string& text, std::span<const pid_t> pids) {
    pid_t pid = 0;
    std::from_chars(text.data(), text.data() + text.size(), pid);
    return std::ranges::count(pids, pid) != 0;
}

}  // namespace

std::string process_table(std::span<const pid_t> pids, const std::vector<std::string>& arguments) {
    constexpr std::size_t kMostOutput = std::size_t{64} << 20U;
    Pipe pipe = make_pipe();
    const Spawned ps =
        spawn({.program = "/usr/bin/ps",
               .arguments = arguments.empty() ? std::vector<std::string>{"-ef"} : arguments,
               .stdout_fd = pipe.write.get()});
    pipe.write.close();
    std::istringstream lines(read_all(pipe.read.get(), kMostOutput, "ps"));
    if (const int status = wait_for(ps); status != 0) {
        throw InputError(fmt::format("ps: exit status {}", status));
    }
    std::string head;
    std::getline(lines, head);
    const std::vector<std::string> columns = words_of(head);
    const auto column = std::ranges::find(columns, "PID");
    if (column == columns.end()) {
        throw InputError("ps: expected arguments with which it prints a column PID");
    }
    const auto index = static_cast<std::size_t>(column - columns.begin());
    std::string result = head + "\n";
    for (std::string line; std::getline(lines, line);) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() > index && is_one_of(words[index], pids)) {
            result += line + "\n";
        }
    }
    return result;
}

}  // namespace drydock
