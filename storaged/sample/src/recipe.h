// Recipes, and what can be cooked from a shelf.
#pragma once

#include "shelf.h"

#include <string>
#include <vector>

namespace pantry {

enum class Season { spring, summer, autumn, winter };

struct Ingredient {
    std::string label;
    int grams;
};

struct Recipe {
    std::string name;
    std::vector<Ingredient> ingredients;
    int guests = 0;
};

/// Grams of one ingredient that are on the shelf after cooking.
int leftOver(const Shelf& shelf, const Ingredient& ingredient);

/// A recipe for half of the first jar that has enough for everybody.
Recipe surprise(const Shelf& shelf, int guests);

/// Grams on every plate.
int plateSize(const Recipe& recipe);

/// How much of a recipe's main ingredient each guest may have.
int mainShare(const Shelf& shelf, const Recipe& recipe);

/// Words for the menu, by season.
std::string title(Recipe recipe, Season season);

/// The recipe's lines, numbered, in a buffer of the caller.
void print(const Recipe& recipe, char* buffer);

} // namespace pantry
