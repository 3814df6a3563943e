// Weights and portions: everything in the pantry is counted in grams.
#pragma once

#define GRAMS(kilograms) kilograms * 1000
#define AT_LEAST(low, value) ((value) < (low) ? (low) : (value))

namespace pantry {

/// How many portions of the given size a weight is good for.
inline int portions(int grams, int portionSize)
{
    return grams / portionSize;
}

/// A share of a weight, rounded to whole grams.
inline int share(int grams, double part)
{
    int rounded = (int)(grams * part + 0.5);
    return AT_LEAST(0, rounded);
}

} // namespace pantry
