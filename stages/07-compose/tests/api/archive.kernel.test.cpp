// cp, diff, export, commit and --init, by the API and by the docker command line.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "01-chroot/file.hpp"

#include "testing/catch.hpp"
#include "testing/program.hpp"
#include "testing/skip.hpp"

#include "api/test_daemon.hpp"

using namespace drydock::testing;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// A tar archive of what is in the directory.
std::string tar_of(const fs::path& directory) {
    const Outcome tar = run_program({"tar", "--owner=7", "--group=8", "-C", directory, "-c", "."});
    REQUIRE(tar.status == 0);
    return tar.out;
}

Reply put_archive(const TestDaemon& daemon, const std::string& id, const std::string& query,
                  const std::string& body) {
    HttpRequestUnderWay put(daemon.socket(), "PUT", "/containers/" + id + "/archive?" + query, "",
                            "Content-Type: application/x-tar\r\nContent-Length: " +
                                std::to_string(body.size()) + "\r\n");
    drydock::write_all(put.fd(), body, "archive");
    return put.finish();
}

/// What `tar -t` says is in the archive.
std::string names_in_tar(const std::string& archive) {
    const drydock::TempDir directory("drydock-tar-");
    std::ofstream(directory.path() / "a.tar") << archive;
    return run_program({"tar", "-tf", directory.path() / "a.tar"}).out;
}
std::string file_in_tar(const std::string& archive, const std::string& name) {
    const drydock::TempDir directory("drydock-tar-");
    std::ofstream(directory.path() / "a.tar") << archive;
    return run_program({"tar", "-xOf", directory.path() / "a.tar", name}).out;
}

std::string archive_query(const std::string& id, const std::string& path) {
    return "/containers/" + id + "/archive?path=" + path;
}

}  // namespace

TEST_CASE("archive: goes into a container that was only made, and is there when it starts",
          "[07][archive]") {
    const TestDaemon daemon;
    const drydock::TempDir files("drydock-files-");
    fs::create_directories(files.path() / "sub");
    std::ofstream(files.path() / "sub" / "file") << "copied\n";
    fs::create_symlink("sub/file", files.path() / "link");
    const std::string id = daemon.create("cat /tmp/link; stat -c '%u %g' /tmp/sub/file",
                                         {{"HostConfig", {{"Binds", {"vol:/tmp"}}}}});
    CHECK(put_archive(daemon, id, "path=/tmp", tar_of(files.path())).status == 200);
    // It was mounted for that, where nobody else sees it.
    CHECK_THAT(drydock::read_file("/proc/self/mountinfo"), !ContainsSubstring(id));
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(daemon.wait(id) == 0);
    CHECK(daemon.logs(id) == "copied\n7 8\n");
    const Reply out = daemon.get(archive_query(id, "/tmp/sub"));
    CHECK(out.status == 200);
    CHECK(out.headers.at("content-type") == "application/x-tar");
    CHECK(names_in_tar(out.body) == "sub/\nsub/file\n");
    CHECK(names_in_tar(daemon.get(archive_query(id, "/tmp/sub/.")).body) == "./\n./file\n");
    CHECK(file_in_tar(out.body, "sub/file") == "copied\n");
}

TEST_CASE("archive: belongs to whom it says, or, when asked so, to the container's user",
          "[07][archive]") {
    const TestDaemon daemon;
    const drydock::TempDir files("drydock-files-");
    std::ofstream(files.path() / "file") << "x";
    const std::string tar = tar_of(files.path());
    const auto owner = [&](const std::string& user, const std::string& query) {
        const std::string id = daemon.create("true", {{"User", user}});
        CHECK(put_archive(daemon, id, "path=/tmp" + query, tar).status == 200);
        const drydock::TempDir out("drydock-out-");
        std::ofstream(out.path() / "tar") << daemon.get(archive_query(id, "/tmp/file")).body;
        const std::string line =
            run_program({"tar", "--numeric-owner", "-tvf", out.path() / "tar"}).out;
        CHECK(daemon.call("DELETE", "/containers/" + id).status == 204);
        return line.substr(line.find(' ') + 1, line.find(' ', 11) - line.find(' ') - 1);
    };
    CHECK(owner("", "") == "7/8");
    CHECK(owner("1000:100", "") == "7/8");
    CHECK(owner("", "&copyUIDGID=true") == "7/8");
    CHECK(owner("1000:100", "&copyUIDGID=true") == "1000/100");
    CHECK(owner("nobody", "&copyUIDGID=1") != "7/8");
}

TEST_CASE("archive: every kind of file keeps what it is, in a container and in a volume after it",
          "[07][archive][volumes]") {
    const TestDaemon daemon;
    const drydock::TempDir files("drydock-files-");
    const Outcome made = run_program(
        {"sh", "-ec",
         "cd \"$0\"; mkdir -p in/sub; cd in; echo text > file; ln file hard; ln -s sub/file link; "
         "mkfifo fifo; "
         "mknod null c 1 3; truncate -s 100000 hole; chmod 640 file; chmod 600 fifo null hole; "
         "chmod 750 sub; touch -h -d @978307200 file link fifo null hole sub; cd ..; "
         "tar --owner=7 --group=8 -S -cf tar in",
         files.path()});
    INFO(made.err);
    REQUIRE(made.status == 0);
    const std::string tar = drydock::read_file(files.path() / "tar");
    const std::string look =
        "cd /in; stat -c '%n %F %u:%g %a' file fifo hole sub | sort; stat -c %s file hole; stat -c "
        "'%n %t,%T' null; "
        "readlink link; stat -c '%n %u:%g' link null; cat file; stat -c %Y file link fifo null "
        "hole | uniq";
    const std::string kinds =
        "fifo fifo 7:8 600\nfile regular file 7:8 640\nhole regular file 7:8 600\n"
        "sub directory 7:8 750\n5\n100000\nnull 1,3\nsub/file\nlink 7:8\nnull "
        "7:8\ntext\n978307200\n";
    const std::string id = daemon.create(look + "; test file -ef hard && echo one file");
    // The second time each replaces what is there.
    CHECK(put_archive(daemon, id, "path=/", tar).status == 200);
    CHECK(put_archive(daemon, id, "path=/", tar).status == 200);
    CHECK(daemon.call("POST", "/commit?container=" + id + "&repo=kinds").status == 201);
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(daemon.wait(id) == 0);
    CHECK(daemon.logs(id) == kinds + "one file\n");
    // A new volume begins with what the image has in its place.
    const json body = {{"Image", "kinds"},
                       {"Cmd", {"sh", "-c", look}},
                       {"HostConfig", {{"Binds", {"kinds:/in"}}}}};
    const json second = daemon.call("POST", "/containers/create", body.dump()).json();
    const std::string other = second.at("Id");
    CHECK(daemon.call("POST", "/containers/" + other + "/start").status == 204);
    CHECK(daemon.wait(other) == 0);
    CHECK(daemon.logs(other) == kinds);
}

TEST_CASE("archive: out of one that runs, with its own view of its mounts", "[07][archive]") {
    const TestDaemon daemon;
    const std::string id = daemon.run(
        "echo inside > /scratch/file; mkdir /d; ln -s /scratch /d/way; echo ready; sleep 1000",
        {{"HostConfig", {{"Tmpfs", {{"/scratch", ""}}}}}});
    REQUIRE(soon([&] { return daemon.logs(id) == "ready\n"; }));
    CHECK(file_in_tar(daemon.get(archive_query(id, "/scratch/file")).body, "file") == "inside\n");
    CHECK(file_in_tar(daemon.get(archive_query(id, "/d/way/file")).body, "file") == "inside\n");
    const drydock::TempDir files("drydock-files-");
    std::ofstream(files.path() / "new") << "from outside\n";
    CHECK(put_archive(daemon, id, "path=/d/way", tar_of(files.path())).status == 200);
    CHECK(file_in_tar(daemon.get(archive_query(id, "/scratch/new")).body, "new") ==
          "from outside\n");
}

TEST_CASE("archive: its stat is docker's, of the link itself", "[07][archive]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("ln -s /etc/passwd /link; echo ready; sleep 1000");
    REQUIRE(soon([&] { return daemon.logs(id) == "ready\n"; }));
    const auto stat = [&](const std::string& path) {
        const Reply reply = daemon.call("HEAD", archive_query(id, path));
        REQUIRE(reply.status == 200);
        const Outcome decoded = run_program(
            {"sh", "-c",
             "echo " + reply.headers.at("x-docker-container-path-stat") + " | base64 -d"});
        return json::parse(decoded.out);
    };
    const json link = stat("/link");
    CHECK(link["name"] == "link");
    CHECK(link["linkTarget"] == "/etc/passwd");
    CHECK((link["mode"].get<std::uint32_t>() >> 27U) == 1U);
    const json directory = stat("/etc");
    CHECK(directory["mode"].get<std::uint32_t>() == ((1U << 31U) | 0755U));
    CHECK(stat("/tmp")["mode"].get<std::uint32_t>() == ((1U << 31U) | (1U << 20U) | 0777U));
    CHECK(daemon.call("HEAD", archive_query(id, "/nothing")).status == 404);
    const Reply missing = daemon.get(archive_query(id, "/nothing"));
    CHECK(missing.status == 404);
    CHECK(missing.json()["message"] == "Could not find the file /nothing in container " + id);
    CHECK(daemon.get("/containers/" + id + "/archive").status == 400);
}

TEST_CASE("archive: links of the container lead nowhere but into it", "[07][archive]") {
    const TestDaemon daemon;
    const drydock::TempDir outside("drydock-outside-");
    std::ofstream(outside.path() / "secret") << "of the host";
    const std::string id = daemon.create("ln -s ../../../../../../../../.." +
                                         outside.path().native() + " /way; mkdir /in");
    CHECK(daemon.call("POST", "/containers/" + id + "/start").status == 204);
    CHECK(daemon.wait(id) == 0);
    CHECK(daemon.get(archive_query(id, "/way/secret")).status == 404);
    const drydock::TempDir files("drydock-files-");
    std::ofstream(files.path() / "evil") << "x";
    CHECK(put_archive(daemon, id, "path=/way", tar_of(files.path())).status == 404);
    CHECK_FALSE(fs::exists(outside.path() / "evil"));
    // An entry that climbs, and one that goes through a link which the archive brought itself.
    const Outcome climbing = run_program(
        {"sh", "-c",
         "cd " + files.path().native() + " && tar -c -P --transform 's,evil,../../../evil,' evil"});
    CHECK(put_archive(daemon, id, "path=/in", climbing.out).status == 400);
    const drydock::TempDir linked("drydock-files-");
    fs::create_symlink(outside.path(), linked.path() / "hole");
    CHECK(put_archive(daemon, id, "path=/in", tar_of(linked.path())).status == 200);
    fs::remove(linked.path() / "hole");
    fs::create_directory(linked.path() / "hole");
    std::ofstream(linked.path() / "hole" / "evil") << "x";
    static_cast<void>(put_archive(daemon, id, "path=/in", tar_of(linked.path())));
    CHECK_FALSE(fs::exists(outside.path() / "evil"));
}

TEST_CASE("archive: a target that is no directory, a read-only root and a changed kind are refused",
          "[07][archive]") {
    const TestDaemon daemon;
    const drydock::TempDir files("drydock-files-");
    std::ofstream(files.path() / "etc") << "a file where a directory is";
    const std::string archive = tar_of(files.path());
    const std::string id = daemon.create("true");
    CHECK(put_archive(daemon, id, "path=/etc/passwd", archive).status == 400);
    CHECK(put_archive(daemon, id, "path=/none", archive).status == 404);
    CHECK(put_archive(daemon, id, "path=/&noOverwriteDirNonDir=true", archive).status == 400);
    const std::string readonly =
        daemon.create("true", {{"HostConfig", {{"ReadonlyRootfs", true}}}});
    CHECK(put_archive(daemon, readonly, "path=/tmp", archive).status == 400);
    CHECK(put_archive(daemon, id, "path=/tmp", "no archive at all, not even a short one").status ==
          400);
    CHECK(daemon.call("DELETE", "/containers/" + id).status == 204);
}

TEST_CASE("diff: what was added, changed and deleted", "[07][diff]") {
    const TestDaemon daemon;
    const std::string id =
        daemon.run("rm /etc/passwd; echo x > /etc/new; mkdir /made; echo y > /v/z",
                   {{"HostConfig", {{"Tmpfs", {{"/v", ""}}}}}});
    CHECK(daemon.wait(id) == 0);
    const json changes = daemon.get("/containers/" + id + "/changes").json();
    const auto kind = [&](const std::string& path) {
        for (const json& change : changes) {
            if (change["Path"] == path) {
                return change["Kind"].get<int>();
            }
        }
        return -1;
    };
    CHECK(kind("/etc") == 0);
    CHECK(kind("/etc/new") == 1);
    CHECK(kind("/made") == 1);
    CHECK(kind("/etc/passwd") == 2);
    CHECK(kind("/v") == -1);
    CHECK(daemon.get("/containers/" + daemon.create("true") + "/changes").body == "null\n");
}

TEST_CASE("export: the whole file system without what is mounted in it", "[07][export]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("echo mine > /mine; echo ready; sleep 1000",
                                      {{"HostConfig", {{"Binds", {"vol:/data"}}}}});
    REQUIRE(soon([&] { return daemon.logs(id) == "ready\n"; }));
    const Reply out = daemon.get("/containers/" + id + "/export");
    const std::string names = names_in_tar(out.body);
    CHECK_THAT(names, ContainsSubstring("etc/passwd\n") && ContainsSubstring("mine\n") &&
                          ContainsSubstring("proc/\n") && !ContainsSubstring("proc/self"));
    CHECK(file_in_tar(out.body, "mine") == "mine\n");
}

TEST_CASE("commit: an image of what the container is now, with changes", "[07][commit]") {
    const TestDaemon daemon;
    const std::string id = daemon.run("echo kept > /kept; echo ready; sleep 1000",
                                      {{"Env", {"A=b"}}, {"Labels", {{"l", "m"}}}});
    REQUIRE(soon([&] { return daemon.logs(id) == "ready\n"; }));
    const Reply made = daemon.call(
        "POST",
        "/commit?container=" + id +
            "&repo=made&tag=one&author=me&comment=so&changes=CMD%20%5B%22cat%22%2C%22%2Fkept"
            "%22%5D&changes=ENV%20C%3Dd");
    CHECK(made.status == 201);
    CHECK_THAT(made.json()["Id"].get<std::string>(), ContainsSubstring("sha256:"));
    const json image = daemon.get("/images/made:one/json").json();
    CHECK(image["Id"] == made.json()["Id"]);
    CHECK(image["Author"] == "me");
    CHECK(image["Config"]["Cmd"] == json({"cat", "/kept"}));
    CHECK(image["Config"]["Labels"]["l"] == "m");
    CHECK_THAT(image["Config"]["Env"].dump(), ContainsSubstring("A=b") && ContainsSubstring("C=d"));
    CHECK(daemon.state(id)["Status"] == "running");
    CHECK(daemon.state(id)["Paused"] == false);
    const json again = daemon.call("POST", "/containers/create", R"({"Image":"made:one"})").json();
    const std::string second = again["Id"];
    CHECK(daemon.call("POST", "/containers/" + second + "/start").status == 204);
    CHECK(daemon.wait(second) == 0);
    CHECK(daemon.logs(second) == "kept\n");
    CHECK(daemon.call("POST", "/commit?container=" + id + "&changes=RUN%20ls").status == 400);
    CHECK(daemon.call("POST", "/commit?container=nobody").status == 404);
}

TEST_CASE("init: reaps orphans, passes signals on and ends as the command does", "[07][init]") {
    if (kSanitized) {
        skip_test("a program with sanitizers does not start inside a container");
        return;
    }
    const TestDaemon daemon;
    const json with_init = {{"HostConfig", {{"Init", true}}}};
    const std::string id = daemon.run("exit 9", with_init);
    CHECK(daemon.wait(id) == 9);
    CHECK(daemon.get("/containers/" + id + "/json").json()["HostConfig"]["Init"] == true);
    CHECK(daemon.get("/containers/" + id + "/json").json()["Path"] == "sh");
    const std::string waits = daemon.run(
        "(sleep 0.05 & ) ; trap 'exit 4' TERM; echo $$; while :; do sleep 0.02; done", with_init);
    REQUIRE(soon([&] { return !daemon.logs(waits).empty(); }));
    CHECK(daemon.logs(waits) != "1\n");
    const std::string top = "/containers/" + waits + "/top?ps_args=-e%20-o%20pid,stat,args";
    CHECK(soon([&] { return daemon.get(top).json().dump().find("defunct") == std::string::npos; }));
    CHECK(daemon.call("POST", "/containers/" + waits + "/stop").status == 204);
    CHECK(daemon.state(waits)["ExitCode"] == 4);
    const json never = daemon
                           .call("POST", "/containers/create",
                                 R"({"Image":"drydock/base","Cmd":["no-such"],
                                     "HostConfig":{"Init":true}})")
                           .json();
    const std::string missing = never["Id"];
    CHECK(daemon.call("POST", "/containers/" + missing + "/start").status == 204);
    CHECK(daemon.wait(missing) == 127);
}

TEST_CASE("docker: cp both ways, diff, export and commit by its command line", "[07][docker]") {
    if (!installed_or_skipped("docker")) {
        return;
    }
    const TestDaemon daemon;
    const drydock::TempDir files("drydock-files-");
    const auto docker = [&](const std::string& arguments) {
        return run_program({"sh", "-c",
                            "cd " + files.path().native() + " && exec docker -H unix://" +
                                daemon.socket().native() + " " + arguments + " </dev/null"});
    };
    fs::create_directories(files.path() / "dir" / "sub");
    std::ofstream(files.path() / "dir" / "sub" / "a") << "one\n";
    CHECK(docker("create --name cc drydock/base cat /opt/dir/sub/a").status == 0);
    CHECK(docker("cp dir cc:/etc/").status == 0);
    CHECK(docker("cp dir/. cc:/mnt/contents").status == 1);  // there is no /mnt
    CHECK(docker("cp dir cc:/opt").status == 0);             // it becomes /opt
    CHECK(docker("cp dir cc:/opt").status == 0);             // and now /opt/dir
    CHECK(docker("cp cc:/opt/dir/sub/a back").status == 0);
    CHECK(drydock::read_file(files.path() / "back") == "one\n");
    CHECK(docker("cp cc:/opt/. all").status == 0);
    CHECK(drydock::read_file(files.path() / "all" / "sub" / "a") == "one\n");
    CHECK(docker("cp cc:/nothing x").status == 1);
    CHECK(docker("start -a cc").out == "one\n");
    CHECK_THAT(docker("diff cc").out,
               ContainsSubstring("A /opt\n") && ContainsSubstring("C /etc\n"));
    CHECK(docker("export -o out.tar cc").status == 0);
    CHECK_THAT(docker("commit -m note cc kept:1").out, ContainsSubstring("sha256:"));
    CHECK(docker("run --rm kept:1").out == "one\n");
    CHECK((kSanitized || docker("run --rm --init drydock/base sh -c 'exit 3'").status == 3));
}
