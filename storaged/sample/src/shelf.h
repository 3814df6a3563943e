// A shelf of jars, in the order they were put there.
#pragma once

#include <string>

namespace pantry {

struct Jar {
    std::string label;
    int grams;
    Jar* next;
};

inline int gramsIn(const Jar* jar)
{
    return jar->grams;
}

class Shelf {
public:
    Shelf() = default;
    Shelf(const Shelf&) = delete;
    Shelf& operator=(const Shelf&) = delete;
    ~Shelf();

    /// Puts a new jar on the shelf; the shelf owns it.
    Jar* put(std::string label, int grams);

    /// The jar with this label, or nullptr.
    Jar* find(const std::string& label) const
    {
        for (Jar* jar = first; jar != nullptr; jar = jar->next)
            if (jar->label == label)
                return jar;
        return nullptr;
    }

    /// Takes some grams out of a jar, and the jar away when it is empty.
    int take(const std::string& label, int grams);

    int weight() const;

    /// The jar that was put last, or nullptr.
    const Jar* last() const { return first; }

private:
    void drop(Jar* jar);

    Jar* first = nullptr;
};

} // namespace pantry
