#pragma once

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "01-chroot/child.hpp"

#include "testing/program.hpp"

namespace drydock::testing {

/// drydock-06 serve as a process, on a free port of 127.0.0.1.
class ServingProgram {
  public:
    /// @param flags more of `serve`; @param before a program that runs it, with its arguments
    explicit ServingProgram(const std::filesystem::path& root,
                            const std::vector<std::string>& flags = {},
                            std::vector<std::string> before = {}) {
        for (const std::string& word :
             {program_path("drydock-06").native(), std::string("serve"), std::string("--listen"),
              std::string("127.0.0.1:0"), std::string("--root"), root.native()}) {
            before.push_back(word);
        }
        before.insert(before.end(), flags.begin(), flags.end());
        std::vector<char*> argv;
        for (std::string& word : before) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        Pipe out = make_pipe();
        child_ = clone_child(0);
        if (!child_) {
            ::dup2(out.write.get(), 1);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        out.write.close();
        const std::string begin = "listening on ";
        std::string line;
        char c = 0;
        while (::read(out.read.get(), &c, 1) == 1 && c != '\n') {
            line.push_back(c);
        }
        address_ = line.substr(std::min(begin.size(), line.size()));
        out_ = std::move(out.read);
    }
    /// Empty when it ended before it listened.
    [[nodiscard]] const std::string& address() const { return address_; }
    [[nodiscard]] pid_t pid() const { return child_.pid(); }
    void signal(int number) { child_.signal(number); }
    int end(int number) {
        child_.signal(number);
        return child_.wait();
    }

  private:
    Child child_{};
    UniqueFd out_{};  ///< open, so that what it prints later does not end it
    std::string address_{};
};

}  // namespace drydock::testing
