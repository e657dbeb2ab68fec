#pragma once

namespace drydock {

/// Everything in the directory open as `from` is in the one open as `to` afterwards, with owners,
/// modes, times and extended attributes; symbolic links as they are. Other file systems mounted in
/// there are left out.
/// @param from may be O_PATH
void copy_directory(int from, int to);

}  // namespace drydock
