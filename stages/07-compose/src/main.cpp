#include "07-compose/cli/commands.hpp"

int main(int argc, char** argv) {
    return drydock::cli::run_command_line({argv + 1, argv + argc});
}
