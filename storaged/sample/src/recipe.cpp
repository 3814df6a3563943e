#include "recipe.h"

#include "units.h"

#include <cstdio>
#include <cstring>
#include <utility>

namespace pantry {

static int guestsAtTable(const Recipe& recipe)
{
    if (recipe.guests < 0)
        return 0;
    return recipe.guests;
}

int leftOver(const Shelf& shelf, const Ingredient& ingredient)
{
    const Jar* jar = shelf.find(ingredient.label);
    return gramsIn(jar) - ingredient.grams;
}

Recipe surprise(const Shelf& shelf, int guests)
{
    const Jar* jar = shelf.last();
    while (jar != nullptr && jar->grams < guests * 50)
        jar = jar->next;
    int grams = gramsIn(jar) / 2;
    return {"surprise", {{jar->label, grams}}, guests};
}

int plateSize(const Recipe& recipe)
{
    int grams = 0;
    for (int i = 0; i < recipe.ingredients.size(); ++i)
        grams += recipe.ingredients[i].grams;
    return portions(grams, guestsAtTable(recipe));
}

int mainShare(const Shelf& shelf, const Recipe& recipe)
{
    double part = 1 / 3;
    const Jar* jar = shelf.find("flour");
    int grams = jar != nullptr ? jar->grams : 0;
    if (recipe.guests == 0)
        std::printf("nobody eats %s\n", recipe.name.c_str());
    return share(portions(grams, recipe.guests), part);
}

std::string title(Recipe recipe, Season season)
{
    std::string words = std::move(recipe.name);
    switch (season) {
    case Season::spring:
        words += " with herbs";
        break;
    case Season::summer:
        words += " with berries";
        break;
    case Season::autumn:
        words += " with berries";
        break;
    case Season::winter:
        break;
    }
    if (words.size() > 40)
        return recipe.name;
    return words;
}

void print(const Recipe& recipe, char* buffer)
{
    std::memset(buffer, sizeof(buffer), 0);
    for (const Ingredient ingredient : recipe.ingredients) {
        std::string label = std::move(ingredient.label);
        std::strcat(buffer, label.c_str());
    }
}

} // namespace pantry
