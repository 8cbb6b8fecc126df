// SPDX-License-Identifier: MIT
// A callback to one method of one object: two pointers, no allocation, no ownership. The object must
// outlive whatever stores the callback.
#pragma once

namespace p2p {

template <class... Args>
class Bound {
 public:
  Bound() = default;
  Bound(void* object, void (*call)(void*, Args...)) : object_(object), call_(call) {}
  void operator()(Args... args) const { call_(object_, args...); }
  explicit operator bool() const { return call_ != nullptr; }

 private:
  void* object_ = nullptr;
  void (*call_)(void*, Args...) = nullptr;
};

namespace detail {
template <auto Method>
struct MethodOf;
template <class T, class... Args, void (T::*Method)(Args...)>
struct MethodOf<Method> {
  using Object = T;
  using Callback = Bound<Args...>;
  static void call(void* object, Args... args) { (static_cast<T*>(object)->*Method)(args...); }
};
}  // namespace detail

// bind<&Type::method>(object)
template <auto Method>
typename detail::MethodOf<Method>::Callback bind(typename detail::MethodOf<Method>::Object* object) {
  return {object, &detail::MethodOf<Method>::call};
}

}  // namespace p2p
