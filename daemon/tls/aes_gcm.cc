// SPDX-License-Identifier: MIT
#include "daemon/tls/aes_gcm.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <intel-ipsec-mb.h>
#include <memory>
#include <new>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string_view>
#include <utility>

#include "daemon/base/check.h"

namespace p2p::tls {
namespace {

constexpr std::size_t kKeyBytes = 16;
constexpr std::size_t kIvBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kAadBytes = 64;

struct FreeVectors {
  void operator()(IMB_MGR* vectors) const { free_mb_mgr(vectors); }
};

// Made once; its functions keep nothing in it.
IMB_MGR& vectors() {
  static const std::unique_ptr<IMB_MGR, FreeVectors> kVectors = [] {
    std::unique_ptr<IMB_MGR, FreeVectors> made(alloc_mb_mgr(0));
    CHECK(made != nullptr);
    init_mb_mgr_avx512(made.get());
    CHECK(imb_get_errno(made.get()) == 0);
    return made;
  }();
  return *kVectors;
}

// One direction of one connection.
class Gcm {
 public:
  Gcm() = default;
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;
  ~Gcm() {
    OPENSSL_cleanse(&key_, sizeof key_);
    OPENSSL_cleanse(&state_, sizeof state_);
  }

  bool begin(bool encrypts, const unsigned char* key, std::size_t key_bytes, const unsigned char* iv,
             std::size_t iv_bytes) {
    if (encrypts_ != encrypts) has_tag_ = false;
    encrypts_ = encrypts;
    stage_ = Stage::Keyed;
    if (key != nullptr) {
      if (key_bytes != kKeyBytes) return false;
      IMB_AES128_GCM_PRE(&vectors(), key, &key_);
      has_key_ = true;
    }
    if (iv == nullptr) return true;
    if (iv_bytes != kIvBytes) return false;
    std::copy_n(iv, kIvBytes, iv_.begin());
    aad_bytes_ = 0;
    stage_ = Stage::Ready;
    return true;
  }

  bool add(const unsigned char* bytes, std::size_t count) {
    if (!has_key_ || stage_ != Stage::Ready || count > kAadBytes - aad_bytes_) return false;
    std::copy_n(bytes, count, aad_.begin() + static_cast<std::ptrdiff_t>(aad_bytes_));
    aad_bytes_ += count;
    return true;
  }

  bool turn(unsigned char* out, const unsigned char* in, std::size_t count) {
    if (!start()) return false;
    if (count == 0) return true;
    if (encrypts_) IMB_AES128_GCM_ENC_UPDATE(&vectors(), &key_, &state_, out, in, count);
    else IMB_AES128_GCM_DEC_UPDATE(&vectors(), &key_, &state_, out, in, count);
    return true;
  }

  // Decrypting: is it what was encrypted?
  bool finish() {
    if (!start()) return false;
    stage_ = Stage::Keyed;
    std::array<unsigned char, kTagBytes> found{};
    if (encrypts_) {
      IMB_AES128_GCM_ENC_FINALIZE(&vectors(), &key_, &state_, tag_.data(), kTagBytes);
      has_tag_ = true;
      return true;
    }
    IMB_AES128_GCM_DEC_FINALIZE(&vectors(), &key_, &state_, found.data(), kTagBytes);
    const bool expected = std::exchange(has_tag_, false);
    return expected && CRYPTO_memcmp(found.data(), tag_.data(), kTagBytes) == 0;
  }

  bool expect_tag(const void* tag, std::size_t count) {
    if (count != kTagBytes || encrypts_) return false;
    std::memcpy(tag_.data(), tag, kTagBytes);
    has_tag_ = true;
    return true;
  }

  bool has_tag() const { return encrypts_ && has_tag_; }
  const std::array<unsigned char, kTagBytes>& tag() const { return tag_; }

 private:
  enum class Stage : std::uint8_t { Keyed, Ready, Data };

  bool start() {
    if (stage_ == Stage::Data) return true;
    if (!has_key_ || stage_ != Stage::Ready) return false;
    IMB_AES128_GCM_INIT(&vectors(), &key_, &state_, iv_.data(), aad_.data(), aad_bytes_);
    stage_ = Stage::Data;
    return true;
  }

  gcm_key_data key_{};
  gcm_context_data state_{};
  std::array<unsigned char, kIvBytes> iv_{};
  std::array<unsigned char, kAadBytes> aad_{};
  std::array<unsigned char, kTagBytes> tag_{};
  std::size_t aad_bytes_ = 0;
  Stage stage_ = Stage::Keyed;
  bool has_key_ = false;
  bool has_tag_ = false;  // to give, or to compare with
  bool encrypts_ = true;
};

Gcm& gcm(void* context) { return *static_cast<Gcm*>(context); }

// --- the functions that OpenSSL calls: 1 is good ------------------------------------------------------

void* make(void*) { return new (std::nothrow) Gcm; }
void destroy(void* context) { delete static_cast<Gcm*>(context); }

int encrypt_init(void* context, const unsigned char* key, std::size_t key_bytes, const unsigned char* iv,
                 std::size_t iv_bytes, const OSSL_PARAM*) {
  return gcm(context).begin(true, key, key_bytes, iv, iv_bytes) ? 1 : 0;
}

int decrypt_init(void* context, const unsigned char* key, std::size_t key_bytes, const unsigned char* iv,
                 std::size_t iv_bytes, const OSSL_PARAM*) {
  return gcm(context).begin(false, key, key_bytes, iv, iv_bytes) ? 1 : 0;
}

int update(void* context, unsigned char* out, std::size_t* out_bytes, std::size_t room,
           const unsigned char* in, std::size_t count) {
  *out_bytes = 0;
  if (out == nullptr) {
    if (!gcm(context).add(in, count)) return 0;
  } else if (room < count || !gcm(context).turn(out, in, count)) {
    return 0;
  }
  *out_bytes = count;
  return 1;
}

int final(void* context, unsigned char*, std::size_t* out_bytes, std::size_t) {
  *out_bytes = 0;
  return gcm(context).finish() ? 1 : 0;
}

struct Answer {
  const char* name;
  std::size_t value;
};

// Gives what was asked for and is known.
int answer(OSSL_PARAM* params, std::initializer_list<Answer> known) {
  for (const auto& [name, value] : known)
    if (auto* param = OSSL_PARAM_locate(params, name); param != nullptr)
      if (OSSL_PARAM_set_size_t(param, value) != 1) return 0;
  return 1;
}

int get_params(OSSL_PARAM* params) {
  return answer(params, {{OSSL_CIPHER_PARAM_MODE, EVP_CIPH_GCM_MODE},
                         {OSSL_CIPHER_PARAM_KEYLEN, kKeyBytes},
                         {OSSL_CIPHER_PARAM_IVLEN, kIvBytes},
                         {OSSL_CIPHER_PARAM_BLOCK_SIZE, 1},
                         {OSSL_CIPHER_PARAM_AEAD, 1},
                         {OSSL_CIPHER_PARAM_CUSTOM_IV, 1}});
}

int get_context_params(void* context, OSSL_PARAM* params) {
  if (answer(params, {{OSSL_CIPHER_PARAM_KEYLEN, kKeyBytes},
                      {OSSL_CIPHER_PARAM_IVLEN, kIvBytes},
                      {OSSL_CIPHER_PARAM_AEAD_TAGLEN, kTagBytes}}) != 1)
    return 0;
  auto* tag = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_AEAD_TAG);
  if (tag == nullptr) return 1;
  if (!gcm(context).has_tag() || tag->data_size != kTagBytes) return 0;
  return OSSL_PARAM_set_octet_string(tag, gcm(context).tag().data(), kTagBytes);
}

int set_context_params(void* context, const OSSL_PARAM* params) {
  if (params == nullptr) return 1;
  if (const auto* length = OSSL_PARAM_locate_const(params, OSSL_CIPHER_PARAM_AEAD_IVLEN); length != nullptr) {
    std::size_t bytes = 0;
    if (OSSL_PARAM_get_size_t(length, &bytes) != 1 || bytes != kIvBytes) return 0;
  }
  const auto* tag = OSSL_PARAM_locate_const(params, OSSL_CIPHER_PARAM_AEAD_TAG);
  if (tag == nullptr) return 1;
  if (tag->data_type != OSSL_PARAM_OCTET_STRING) return 0;
  if (tag->data == nullptr) return tag->data_size == kTagBytes ? 1 : 0;  // its length alone
  return gcm(context).expect_tag(tag->data, tag->data_size) ? 1 : 0;
}

const OSSL_PARAM* gettable_params(void*) {
  static const OSSL_PARAM kParams[] = {
      OSSL_PARAM_uint(OSSL_CIPHER_PARAM_MODE, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_BLOCK_SIZE, nullptr),
      OSSL_PARAM_int(OSSL_CIPHER_PARAM_AEAD, nullptr),
      OSSL_PARAM_int(OSSL_CIPHER_PARAM_CUSTOM_IV, nullptr),
      OSSL_PARAM_END,
  };
  return kParams;
}

const OSSL_PARAM* gettable_context_params(void*, void*) {
  static const OSSL_PARAM kParams[] = {
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, 0),
      OSSL_PARAM_END,
  };
  return kParams;
}

const OSSL_PARAM* settable_context_params(void*, void*) {
  static const OSSL_PARAM kParams[] = {
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, nullptr),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, 0),
      OSSL_PARAM_END,
  };
  return kParams;
}

template <class Function>
constexpr OSSL_DISPATCH entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
  static const OSSL_DISPATCH kFunctions[] = {
      entry(OSSL_FUNC_CIPHER_NEWCTX, make),
      entry(OSSL_FUNC_CIPHER_FREECTX, destroy),
      entry(OSSL_FUNC_CIPHER_ENCRYPT_INIT, encrypt_init),
      entry(OSSL_FUNC_CIPHER_DECRYPT_INIT, decrypt_init),
      entry(OSSL_FUNC_CIPHER_UPDATE, update),
      entry(OSSL_FUNC_CIPHER_FINAL, final),
      entry(OSSL_FUNC_CIPHER_GET_PARAMS, get_params),
      entry(OSSL_FUNC_CIPHER_GETTABLE_PARAMS, gettable_params),
      entry(OSSL_FUNC_CIPHER_GET_CTX_PARAMS, get_context_params),
      entry(OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, gettable_context_params),
      entry(OSSL_FUNC_CIPHER_SET_CTX_PARAMS, set_context_params),
      entry(OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, settable_context_params),
      {0, nullptr},
  };
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {"AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", kVectorAes, kFunctions, nullptr},
      {nullptr, nullptr, nullptr, nullptr},
  };
  *no_cache = 0;
  return operation == OSSL_OP_CIPHER ? kAlgorithms : nullptr;
}

int start_provider(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH*, const OSSL_DISPATCH** out,
                   void** context) {
  static const OSSL_DISPATCH kFunctions[] = {entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), {0, nullptr}};
  *out = kFunctions;
  *context = const_cast<OSSL_CORE_HANDLE*>(handle);  // nothing of it is used; it must not be null
  return 1;
}

// Loaded until the program ends.
struct Providers {
  struct Unload {
    void operator()(OSSL_PROVIDER* provider) const { OSSL_PROVIDER_unload(provider); }
  };
  using Loaded = std::unique_ptr<OSSL_PROVIDER, Unload>;
  Loaded of_openssl;  // one that is loaded by name keeps OpenSSL from loading this by itself
  Loaded ours;

  Providers() {
    constexpr const char* kName = "p2p-aes";
    of_openssl.reset(OSSL_PROVIDER_load(nullptr, "default"));
    CHECK(of_openssl != nullptr);
    CHECK(OSSL_PROVIDER_add_builtin(nullptr, kName, start_provider) == 1);
    ours.reset(OSSL_PROVIDER_load(nullptr, kName));
    CHECK(ours != nullptr);
  }
};

}  // namespace

bool has_vector_aes() {
  static const bool kHas = (imb_get_feature_flags() & IMB_CPUFLAGS_AVX512_T2) == IMB_CPUFLAGS_AVX512_T2;
  if (!kHas) return false;
  static const Providers kProviders;
  return true;
}

const char* cipher_properties() {
  static const char* const kProperties = [] {
    const char* demanded = std::getenv("P2P_AES");
    const bool openssl = demanded != nullptr && std::string_view(demanded) == "openssl";
    return !openssl && has_vector_aes() ? "?provider=p2p-aes" : "";
  }();
  return kProperties;
}

}  // namespace p2p::tls
