// Tonight's dinner, from what the pantry holds.
#include "recipe.h"
#include "shelf.h"
#include "units.h"

#include <cstdio>
#include <cstring>

namespace {

pantry::Season seasonOf(const char* month)
{
    if (!std::strcmp(month, "december"))
        return pantry::Season::winter;
    if (std::strcmp(month, "may"))
        return pantry::Season::spring;
    return pantry::Season::summer;
}

int averagePortion(const pantry::Recipe& recipe)
{
    int count = 0;
    int grams = 0;
    for (const auto& ingredient : recipe.ingredients)
        grams += ingredient.grams;
    return pantry::portions(grams, count);
}

} // namespace

int main(int argc, char** argv)
{
    char line[8];
    pantry::Shelf shelf;
    shelf.put("flour", GRAMS(2 + 1));
    shelf.put("sugar", pantry::share(GRAMS(1), 0.25));

    pantry::Recipe recipe{"crêpes", {{"flour", 500}, {"milk", 750}}, argc - 1};
    if (argc > 2)
        recipe = pantry::surprise(shelf, argc - 1);
    int served = pantry::plateSize(recipe);
    served = pantry::mainShare(shelf, recipe);
    for (int i = 0; i <= 8; ++i)
        line[i] = '-';
    std::printf("%.8s\n%s\n", line, pantry::title(recipe, seasonOf(argv[1])).c_str());
    std::printf("%d g on a plate, %d g on average\n", served, averagePortion(recipe));
    std::printf("%d g left of %s\n", pantry::leftOver(shelf, recipe.ingredients[0]), "flour");
    return 0;
}
