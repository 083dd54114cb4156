#pragma once

#include <string>

inline const std::string greeting = "hello from C++";
