// SPDX-License-Identifier: MIT
#include "daemon/base/bytes.h"
#include "daemon/base/digest.h"
#include "daemon/base/ids.h"
#include "daemon/base/log_limit.h"
#include "daemon/base/names.h"
#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/base/units.h"
#include "tests/support/check.h"

using namespace p2p;

namespace {

TEST(reader_stays_failed_after_the_first_short_field) {
  const Bytes bytes{0, 1, 2};
  ByteReader reader(bytes);

  EXPECT_EQ(reader.u16(), 1);
  reader.u32();

  EXPECT(!reader.ok());
  EXPECT(!reader.at_end());
  EXPECT_EQ(reader.u8(), 0);
}

TEST(written_numbers_read_back) {
  ByteWriter writer;
  writer.u8(1);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090a0b0c0d0e0f);
  writer.i64(-2);

  ByteReader reader(writer.view());

  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x04050607u);
  EXPECT_EQ(reader.u64(), 0x08090a0b0c0d0e0fu);
  EXPECT_EQ(reader.i64(), -2);
  EXPECT(reader.at_end());
}

TEST(hex_refuses_odd_lengths_and_other_letters) {
  EXPECT_EQ(to_hex(Bytes{0, 0xab}), "00ab");
  EXPECT(from_hex("00aB") == Bytes({0, 0xab}));
  EXPECT(!from_hex("0"));
  EXPECT(!from_hex("0g"));
  EXPECT(!Sha1::from_hex("00"));
}

TEST(digests_agree_with_the_published_vectors) {
  EXPECT_EQ(sha1(as_bytes("abc")).hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha256(as_bytes("abc")).hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256Stream stream;
  stream.update(as_bytes("a"));
  stream.update(as_bytes("bc"));
  EXPECT(stream.finish() == sha256(as_bytes("abc")));
  EXPECT(stream.finish() == sha256({}));
}

TEST(same_seed_gives_the_same_decisions) {
  Random one(42);
  Random two(42);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(one.below(7), two.below(7));
  for (int i = 0; i < 1000; ++i) EXPECT(one.below(3) < 3);
}

TEST(labels_fold_case_and_keep_to_their_alphabet) {
  EXPECT_EQ(*user_name("Alice"), "alice");
  EXPECT_EQ(*group_name("a0"), "a0");
  EXPECT(group_name(std::string(32, 'x')));
  EXPECT(!group_name(std::string(33, 'x')));
  for (const auto* bad : {"", "a", "-ab", ".ab", "a b", "caf\xc3\xa9", "a/b"}) {
    EXPECT(!user_name(bad));
    EXPECT_EQ(group_name(bad).error().code, Code::InvalidName);
  }
}

TEST(file_names_with_spaces_and_other_scripts_pass) {
  for (const auto* good : {"a", "my film.mkv", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.txt", "caf\xc3\xa9",
                           "-rf", ".hidden", "%n%s", "\xf0\x9f\x98\x80"})
    EXPECT_OK(check_file_name(good));
  EXPECT_OK(check_file_name(std::string(255, 'x')));
}

TEST(hostile_file_names_are_refused) {
  for (const auto* bad : {"", ".", "..", "a/b", "/etc/passwd", "a\nb", "\x1b[2J", "a\x7f", "\xc2\x85",
                          "\xff\xfe", "a\xcc", "cafe\xcc\x81",
                          "\xe2\x80\xae"
                          "txt.exe",
                          "a\xe2\x80\x8b"
                          "b",
                          "a\xe2\x80\xa8"
                          "b",
                          "\xed\xa0\x80", "\xc0\xae\xc0\xae"})
    EXPECT_EQ(check_file_name(bad).error().code, Code::InvalidName);
  EXPECT(!check_file_name(std::string(256, 'x')));
  EXPECT(!check_file_name(std::string_view("a\0b", 3)));
}

TEST(foreign_text_is_printed_without_its_controls) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\u{202e}");
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
}

TEST(rates_and_durations_read_as_people_write_them) {
  EXPECT_EQ(*parse_rate("20MiB"), 20u << 20);
  EXPECT_EQ(*parse_rate("20M"), 20u << 20);
  EXPECT_EQ(*parse_rate("1.5k"), 1536u);
  EXPECT_EQ(*parse_rate("1000"), 1000u);
  EXPECT_EQ(*parse_rate("0"), 0u);
  EXPECT_EQ(*parse_rate("unlimited"), 0u);
  for (const auto* bad : {"", "x", "-1", "1T", "1 M", "20MiBs", "1e30G", "nan", "inf", "0.0001"})
    EXPECT(!parse_rate(bad));

  EXPECT(*parse_duration("30s") == Duration(30s));
  EXPECT(*parse_duration("5m") == Duration(5min));
  EXPECT(*parse_duration("250ms") == Duration(250ms));
  EXPECT(*parse_duration("4h") == Duration(4h));
  for (const auto* bad : {"", "s", "-1s", "1y", "1e9d"}) EXPECT(!parse_duration(bad));
}

TEST(host_and_port_are_split_at_the_right_colon) {
  EXPECT(*parse_host_port("localhost:7733") == (HostPort{"localhost", 7733}));
  EXPECT(*parse_host_port("[::1]:0") == (HostPort{"::1", 0}));
  EXPECT_EQ((HostPort{"::1", 7}).text(), "[::1]:7");
  for (const auto* bad :
       {"", ":1", "a", "a:", "a:65536", "a:-1", "::1:5", "[::1:5", "a b:1", "a/b:1", "a:1x"})
    EXPECT(!parse_host_port(bad));
}

TEST(every_code_has_a_stable_name_that_reads_back) {
  for (int i = 0; i <= static_cast<int>(Code::Closed); ++i) {
    const auto code = static_cast<Code>(i);
    EXPECT(code_from_name(code_name(code)) == code);
    EXPECT(exit_status(code) >= 1 && exit_status(code) <= 10);
  }
  EXPECT_EQ(code_name(Code::NotMember), "not_member");
  EXPECT(code_from_name("no such code") == Code::Internal);
}

TEST(log_limit_lets_some_lines_through_and_counts_the_others) {
  log::Limit limit;
  const TimePoint start{std::chrono::hours(5)};
  for (std::uint32_t i = 0; i < log::Limit::kAtOnce; ++i) EXPECT(limit.take(start) == std::optional(0ul));
  for (int i = 0; i < 7; ++i) EXPECT(!limit.take(start + std::chrono::seconds(1)));
  EXPECT(limit.take(start + std::chrono::seconds(11)) == std::optional(7ul));
  EXPECT(!limit.take(start + std::chrono::seconds(12)));
  EXPECT(limit.take(start + std::chrono::seconds(21)) == std::optional(1ul));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(reader_stays_failed_after_the_first_short_field),
      cmocka_unit_test(written_numbers_read_back),
      cmocka_unit_test(hex_refuses_odd_lengths_and_other_letters),
      cmocka_unit_test(digests_agree_with_the_published_vectors),
      cmocka_unit_test(same_seed_gives_the_same_decisions),
      cmocka_unit_test(labels_fold_case_and_keep_to_their_alphabet),
      cmocka_unit_test(file_names_with_spaces_and_other_scripts_pass),
      cmocka_unit_test(hostile_file_names_are_refused),
      cmocka_unit_test(foreign_text_is_printed_without_its_controls),
      cmocka_unit_test(rates_and_durations_read_as_people_write_them),
      cmocka_unit_test(host_and_port_are_split_at_the_right_colon),
      cmocka_unit_test(log_limit_lets_some_lines_through_and_counts_the_others),
      cmocka_unit_test(every_code_has_a_stable_name_that_reads_back),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
