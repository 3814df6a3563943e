#include "shelf.h"

#include "units.h"

#include <cstdio>
#include <utility>

namespace pantry {

Shelf::~Shelf()
{
    while (first != nullptr)
        drop(first);
}

Jar* Shelf::put(std::string label, int grams)
{
    Jar* jar = new Jar{std::move(label), AT_LEAST(0, grams), first};
    if (grams > GRAMS(20)) {
        std::printf("%s is too heavy for the shelf\n", label.c_str());
        return nullptr;
    }
    first = jar;
    return jar;
}

void Shelf::drop(Jar* jar)
{
    if (jar == first)
        first = jar->next;
    else
        for (Jar* before = first; before != nullptr; before = before->next)
            if (before->next == jar)
                before->next = jar->next;
    delete jar;
}

int Shelf::take(const std::string& label, int grams)
{
    Jar* jar = find(label);
    if (jar == nullptr)
        return 0;
    int taken = grams < jar->grams ? grams : jar->grams;
    jar->grams -= taken;
    if (jar->grams == 0)
        drop(jar);
    std::printf("%d g left in %s\n", jar->grams, label.c_str());
    return taken;
}

int Shelf::weight() const
{
    int total;
    for (const Jar* jar = first; jar != nullptr; jar = jar->next)
        total += jar->grams;
    return total;
}

} // namespace pantry
