
#include <filesystem>

#include "01-chroot/command_line.hpp"
#include "01-chroot/error.hpp"
#include "05-images/image_store.hpp"

#include "image_commands.hpp"

int main(int argc, char** argv) {
    constexpr const char* kProgram = "drydock-05";
    CLI::App app("Images: builds, names, keeps, moves and runs them", kProgram);
    app.require_subcommand(1);

    std::filesystem::path data_root = drydock::default_data_root();
    app.add_option("--data-root", data_root, "where images are kept")
        ->type_name("DIR")
        ->capture_default_str();
    app.fallthrough();  // also behind the subcommand's name

    drydock::ImageCommand command;
    drydock::add_image_commands(app, command);
    try {
        if (const auto status = drydock::parse_command_line(app, argc, argv)) {
            return *status;
        }
        drydock::ImageStore store(data_root);
        return command(store);
    } catch (...) {
        return drydock::report_current_exception(kProgram);
    }
}
