#include "05-images/dockerfile_check.hpp"

#include "testing/catch.hpp"

using drydock::check_dockerfile;
using drydock::parse_dockerfile;
using drydock::testing::ContainsSubstring;

namespace {

/// "RULE:LINE RULE:LINE " of what is found.
std::string rules(const std::string& text, const drydock::CheckOptions& options = {}) {
    std::string result;
    for (const auto& warning : check_dockerfile(parse_dockerfile(text, "f"), options).warnings) {
        result += warning.rule + ":" + std::to_string(warning.line) + " ";
    }
    return result;
}

}  // namespace

TEST_CASE("check_dockerfile: each rule finds its case and nothing else", "[05][check]") {
    const auto [text, found] = GENERATE(table<std::string, std::string>({
        {"FROM a:1\nCMD [\"x\"]\n", ""},
        {"FROM a\n", "UnpinnedBaseImage:1 "},
        {"FROM r:5000/a:latest\n", "UnpinnedBaseImage:1 "},
        {"FROM a@sha256:0\n", ""},
        {"FROM a:1 AS Build\n", "StageNameCasing:1 "},
        {"FROM a:1 as b\n", "FromAsCasing:1 "},
        {"FROM a:1 AS scratch\n", "ReservedStageName:1 "},
        {"FROM a:1\nRUN x\nrun y\n", "ConsistentInstructionCasing:3 "},
        {"FROM a:1\nMAINTAINER me\n", "MaintainerDeprecated:2 "},
        {"FROM a:1\nWORKDIR app\n", "WorkdirRelativePath:2 "},
        {"FROM a:1\nWORKDIR /app\nWORKDIR sub\n", ""},
        {"FROM a:1\nCMD x\n", "JSONArgsRecommended:2 "},
        {"FROM a:1\nSHELL [\"sh\"]\nCMD x\n", ""},
        {"FROM a:1\nCMD [\"x\"]\nCMD [\"y\"]\n", "MultipleInstructionsDisallowed:3 "},
        {"FROM a:1\nENV a b\n", "LegacyKeyValueFormat:2 "},
        {"FROM a:1\nENV DB_PASSWORD=x\nARG NPM_TOKEN\n",
         "SecretsUsedInArgOrEnv:2 SecretsUsedInArgOrEnv:3 "},
        {"FROM a:1\nENV PUBLIC_KEY=x KEYBOARD=y\n", ""},
        {"FROM a:$V\n", "UndefinedArgInFrom:1 "},
        {"ARG V\nFROM a:$V\n", "InvalidDefaultArgInFrom:2 "},
        {"ARG V=1\nFROM a:$V\n", ""},
        {"FROM scratch\nCOPY $x /\n", "UndefinedVar:2 "},
        {"FROM a:1\nARG VERSION\nLABEL v=$VERSOIN\n", "UndefinedVar:3 "},
        {"FROM a:1\nENV a=$PATH\n", ""},
        {"FROM a:1\nRUN a \\\n\n b\n", "NoEmptyContinuation:3 "},
        {"FROM --platform=linux/amd64 a:1\n", "FromPlatformFlagConstDisallowed:1 "},
        {"FROM --platform=$TARGETPLATFORM a:1\n", "RedundantTargetPlatform:1 "},
        {"FROM a:1\nEXPOSE 80/TCP 80:80\n", "ExposeProtoCasing:2 ExposeInvalidFormat:2 "},
        {"# check=skip=UnpinnedBaseImage\nFROM a\nCMD x\n", "JSONArgsRecommended:3 "},
        {"# check=skip=all;error=true\nFROM a\n", ""},
    }));
    INFO(text);
    CHECK(rules(text) == found);
}

TEST_CASE("check_dockerfile: build-args and ignored files are looked at too", "[05][check]") {
    drydock::CheckOptions options{.build_args = {{"VERSOIN", "1"}, {"http_proxy", "x"}}};
    const auto check = check_dockerfile(parse_dockerfile("FROM a:1\nARG VERSION\n", "f"), options);
    REQUIRE(check.warnings.size() == 1);
    CHECK_THAT(check.warnings[0].text, ContainsSubstring("did you mean $VERSION?"));
    const drydock::IgnoreRules ignored("secret\nd\n!d/keep\n", ".dockerignore");
    options = {.ignored = &ignored};
    CHECK(rules("FROM a:1\nCOPY ./secret /x\nCOPY d /y\nCOPY . /z\n", options) ==
          "CopyIgnoredFile:2 ");
    CHECK_THAT(drydock::check_text(check, "f"),
               ContainsSubstring("UnknownBuildArg: ") && ContainsSubstring("1 warning has been"));
}
