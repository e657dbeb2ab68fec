#include "07-compose/compose/commands.hpp"

int main(int argc, char** argv) {
    return drydock::compose::run_command_line({argv + 1, argv + argc});
}
